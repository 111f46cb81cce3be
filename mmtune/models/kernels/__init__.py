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
"""``(query, key, value, lengths, *, scale, window, dropout)`` with (tokens, heads, head width) tensors, key
and value possibly with fewer heads; returns (tokens, heads, head width)."""

KERNELS: dict[str, Kernel] = {"sdpa": sdpa_documents, "flash": flash_documents}


def choose_kernel(name: str, device: torch.device) -> str:
    """The kernel that runs for a setting of ``model.language.attention`` on a device.

    Args:
        name: ``auto`` or a key of ``KERNELS``.
        device: where the model is.

    Raises:
        UserError: if ``flash`` is asked for where it cannot run.
    """
    installed = _flash_installed()
    if name == "auto":
        return "flash" if installed and device.type == "cuda" else "sdpa"
    if name == "flash" and not (installed and device.type == "cuda"):
        raise UserError(
            "flash attention needs a CUDA device" if installed else "flash-attn is not installed",
            "model.language.attention",
            "use attention: sdpa" if installed else "install the extra `flash`, or use attention: sdpa",
        )
    return name


@cache
def _flash_installed() -> bool:
    return importlib.util.find_spec("flash_attn") is not None
