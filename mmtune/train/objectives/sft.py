"""Supervised fine-tuning: cross-entropy of the supervised tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mmtune.batch import IGNORE, PackedBatch

Forward = Callable[[PackedBatch], Tensor]
"""A model, wrapped or not: a row to its logits at supervised positions."""

CHUNK = 1024
"""Positions whose softmax is in memory at one time."""


def supervised_sum(model: Forward, batch: PackedBatch) -> Tensor:
    """Cross-entropy summed over a row's supervised tokens: a scalar with a graph, 0 where there are none."""
    logits = model(batch)
    return cross_entropy_sum(logits, batch.targets[batch.targets != IGNORE])


def cross_entropy_sum(logits: Tensor, targets: Tensor) -> Tensor:
    """Summed cross-entropy, chunk by chunk, with the gradient computed in the forward pass.

    The gradient takes the place of the logits in memory instead of a softmax beside them, so one buffer of
    (supervised, vocabulary) is alive where autograd would keep three.

    Args:
        logits: (supervised, vocabulary) float32; overwritten where they need a gradient.
        targets: (supervised,) int64 ids.

    Raises:
        ValueError: if there are more or fewer logits than targets.
    """
    if len(logits) != len(targets):
        raise ValueError(f"{len(logits)} rows of logits for {len(targets)} targets")
    if targets.numel() == 0:
        return logits.sum() * 0.0
    return _CrossEntropySum.apply(logits, targets)


class _CrossEntropySum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> Tensor:
        needs_grad = ctx.needs_input_grad[0]
        total = logits.new_zeros((), dtype=torch.float32)
        gradient = logits.detach()
        for start in range(0, len(targets), CHUNK):
            chunk, wanted = gradient[start : start + CHUNK], targets[start : start + CHUNK, None]
            log_norm = chunk.logsumexp(-1, keepdim=True)
            total += (log_norm - chunk.gather(-1, wanted)).sum()
            if needs_grad:
                chunk.sub_(log_norm).exp_()
                chunk.scatter_add_(-1, wanted, torch.full_like(wanted, -1, dtype=chunk.dtype))
        if needs_grad:
            ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return gradient.mul_(grad_outputs[0]), None
