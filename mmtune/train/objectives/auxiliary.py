"""Losses that parts of the model ask for beside any objective, such as an even use of experts."""

from __future__ import annotations

import torch
from torch import Tensor

from mmtune.batch import PackedBatch
from mmtune.models.vlm import VisionLanguageModel
from mmtune.train.settings import StageConfig


class Auxiliary:
    """The sum of what the learning adapters add to the loss of a row.

    Call it after the objective has run the same row: the terms read what the forward pass left behind. Each
    is a sum over supervised tokens like the objective's, so that the loop divides both by the step's count.

    Args:
        model: with its adapters.
        stage: says which of them learn.
    """

    def __init__(self, model: VisionLanguageModel, stage: StageConfig) -> None:
        parts = model.parts()
        found = (model.adapters[part].auxiliary(parts[part]) for part in stage.adapted())
        self.terms = [term for term in found if term is not None]

    def __call__(self, batch: PackedBatch) -> Tensor:
        """A scalar; 0 without a graph where there are no terms."""
        return sum((term(batch) for term in self.terms), torch.zeros((), device=batch.input_ids.device))
