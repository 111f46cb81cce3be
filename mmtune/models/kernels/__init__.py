"""Kernels for attention inside the documents of a packed row, one file each."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache

import torch

from mmtune.errors import UserError
from mmtune.models.kernels.flash import flash_documents
from mmtune.models.kernels.sdpa import sdpa_documents

Kernel = Callable[..., torch.Tensor]
"""``(query, key, value, lengths, *, scale, window, dropout, softcap=None)`` with (tokens, heads, head width)
tensors, key and value possibly with fewer heads; returns (tokens, heads, head width)."""

KERNELS: dict[str, Kernel] = {"sdpa": sdpa_documents, "flash": flash_documents}


def choose_kernel(name: str, device: torch.device, dtype: torch.dtype) -> str:
    """The kernel that runs for a setting of ``model.language.attention``.

    Args:
        name: ``auto`` or a key of ``KERNELS``.
        device: where the model is.
        dtype: of the weights; where autocast is on, its type counts instead.

    Raises:
        UserError: if ``flash`` is asked for where it cannot run.
    """
    installed = _flash_installed()
    if torch.is_autocast_enabled(device.type):
        dtype = torch.get_autocast_dtype(device.type)
    half = dtype in (torch.bfloat16, torch.float16)
    if name == "auto":
        return "flash" if installed and half and device.type == "cuda" else "sdpa"
    if name == "flash" and not (installed and device.type == "cuda"):
        raise UserError(
            "flash attention needs a CUDA device" if installed else "flash-attn is not installed",
            "model.language.attention",
            "use attention: sdpa" if installed else "install the extra `flash`, or use attention: sdpa",
        )
    if name == "flash" and not half:
        # The kernel would round what the recipe wants in float32.
        raise UserError(
            "flash attention computes in bfloat16 or float16 only",
            "model.language.attention",
            "set engine.precision: bf16, or use attention: sdpa",
        )
    return name


@cache
def _flash_installed() -> bool:
    return importlib.util.find_spec("flash_attn") is not None
