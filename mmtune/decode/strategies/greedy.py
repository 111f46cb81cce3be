"""The likeliest token."""

from __future__ import annotations

from torch import Tensor

from mmtune.decode.requests import Settings
from mmtune.decode.strategies.base import Step


class Greedy:
    """Takes the likeliest token; of several equal ones the one with the lowest id."""

    def __init__(self, settings: Settings) -> None:
        pass

    def choose(self, step: Step) -> Tensor:
        """Ids of the next tokens, (rows,) int64."""
        return step.logits.argmax(dim=-1)
