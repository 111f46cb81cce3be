"""Weights of frozen linear layers held in four bits (NF4), for QLoRA; needs a GPU and bitsandbytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from mmtune.errors import UserError
from mmtune.models.adapters.targets import replace_module


def demand_four_bits() -> Any:
    """The module bitsandbytes, where it can run.

    Raises:
        UserError: without a GPU or without bitsandbytes.
    """
    if not torch.cuda.is_available():
        raise UserError(
            "weights of four bits need a GPU, and this machine has none",
            "bits",
            "leave bits out to train a plain LoRA",
        )
    try:
        import bitsandbytes  # type: ignore[import-not-found]
    except ImportError as error:
        raise UserError(
            "weights of four bits need bitsandbytes, which is not installed",
            "bits",
            "pip install bitsandbytes",
        ) from error
    return bitsandbytes


def can_hold_four_bits() -> bool:
    """Whether this machine has what four bits need."""
    try:
        demand_four_bits()
    except UserError:
        return False
    return True


def hold_in_four_bits(blocks: Sequence[nn.Module]) -> None:
    """Replace the linear layers of some blocks by quantised ones on this process's GPU.

    They are quantised here and not when the model moves to the GPU: DoRA measures them before that.

    Args:
        blocks: transformer blocks, in CPU memory; other layers (norms) stay as they are.

    Raises:
        UserError: as ``demand_four_bits``.
    """
    library = demand_four_bits()
    device = torch.device("cuda", torch.cuda.current_device())
    for block in blocks:
        for name, layer in list(block.named_modules()):
            if type(layer) is not nn.Linear:
                continue
            new = library.nn.Linear4bit(
                layer.in_features,
                layer.out_features,
                bias=layer.bias is not None,
                compute_dtype=torch.bfloat16,
                quant_type="nf4",
                device="meta",
            )
            new.weight = library.nn.Params4bit(
                layer.weight.data, requires_grad=False, quant_type="nf4", module=new
            )
            new.bias = layer.bias
            replace_module(block, name, new.to(device))
