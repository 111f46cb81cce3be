"""The learning rate over a run, as a share of its peak."""

from __future__ import annotations

import math
from collections.abc import Callable

from mmtune.train.settings import OptimConfig


def _cosine(progress: float) -> float:
    return 0.5 * (1.0 + math.cos(math.pi * progress))


def _linear(progress: float) -> float:
    return 1.0 - progress


def _constant(progress: float) -> float:
    return 1.0


SHAPES: dict[str, Callable[[float], float]] = {"cosine": _cosine, "linear": _linear, "constant": _constant}
"""Share of the way from the floor to the peak, by progress in [0, 1] after warm-up."""


def warmup_steps(optim: OptimConfig, total: int) -> int:
    """Steps of warm-up in a run of ``total`` steps; a ratio is rounded up, as in transformers."""
    if optim.warmup_steps is not None:
        return min(optim.warmup_steps, total)
    return math.ceil(total * optim.warmup_ratio)


def lr_factor(step: int, total: int, optim: OptimConfig) -> float:
    """Share of the peak learning rate that step ``step`` (from 0) of ``total`` uses.

    Warm-up rises from ``1 / warmup`` to 1, so that no step is spent at rate 0; the last step stands just
    above the floor, as in transformers' cosine schedule.
    """
    warmup = warmup_steps(optim, total)
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, total - warmup)
    floor = optim.min_lr_ratio
    return floor + (1.0 - floor) * SHAPES[optim.schedule](min(progress, 1.0))
