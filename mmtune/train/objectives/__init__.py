"""Objectives, one file each: a function of model and row that gives a sum over supervised tokens."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from mmtune.batch import PackedBatch
from mmtune.errors import unknown
from mmtune.train.objectives.sft import Forward, supervised_sum

Objective = Callable[[Forward, PackedBatch], Tensor]
"""(model, row) -> the loss summed over the row's supervised tokens; the loop divides by the global count."""

OBJECTIVES: dict[str, Objective] = {"sft": supervised_sum}


def get_objective(name: str) -> Objective:
    """The objective of this name.

    Raises:
        UserError: no such objective.
    """
    if name not in OBJECTIVES:
        raise unknown("objective", name, OBJECTIVES, "objective")
    return OBJECTIVES[name]
