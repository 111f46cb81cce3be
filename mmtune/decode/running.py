"""How a model is made ready to answer, and what is done where memory does not suffice."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from mmtune.errors import UserError

log = logging.getLogger(__name__)


def halved(batch_size: int) -> int:
    """The batch size to try where the GPU's memory did not suffice for this one.

    Raises:
        UserError: if there is no smaller one.
    """
    torch.cuda.empty_cache()
    if batch_size == 1:
        raise UserError(
            "the GPU has too little memory for a single one of these prompts",
            fix="use a smaller model or a shorter prompt",
        )
    half = (batch_size + 1) // 2
    log.warning("out of GPU memory with %d rows at once, trying %d", batch_size, half)
    return half


def move(model: torch.nn.Module, device: torch.device | str) -> None:
    """Put a model on a device.

    Raises:
        UserError: if this machine has no such device.
    """
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # AssertionError: a torch that was built without CUDA
        reason = str(error).splitlines()[0]
        raise UserError(f"the device cannot be used: {reason}", str(device), "use cpu") from error
    model.to(device)


@contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Switch dropout and the like off, and afterwards on again where it was."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
