"""What a strategy sees at each step, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


@dataclass(frozen=True)
class Step:
    """One step of a batch of rows that are still being generated."""

    logits: Tensor
    """(rows, vocabulary) float32."""
    draws: Tensor
    """(rows,) uniform in [0, 1): a row's own random number for this step, whatever batch the row is in."""
    generated: list[list[int]]
    """Ids that each row has so far."""


class Strategy(Protocol):
    """Chooses the next token of every row."""

    def choose(self, step: Step) -> Tensor:
        """Ids of the next tokens, (rows,) int64."""
        ...
