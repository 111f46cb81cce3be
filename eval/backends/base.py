"""What a model that is evaluated has to offer: its identity, and answers to asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from eval.asking import Ask
from mmtune.errors import UserError


@dataclass(frozen=True)
class Answer:
    """What a model said to an ask."""

    text: str
    stopped: str
    """``stop`` at its own end, ``length`` at the limit, ``decided`` where options were ranked."""
    logprobs: tuple[float, ...] | None = None
    """Of each of the ask's options, where they were ranked."""
    sure: float | None = None
    """Log-probability of all that was generated, its end included, where the model tells it."""


@dataclass(frozen=True)
class Opening:
    """How a model is opened."""

    device: str | None = None
    """None takes the GPU where there is one; with several processes, each its own."""
    batch_size: int = 64
    """Questions that are answered together; for an endpoint, requests under way."""


class Backend(Protocol):
    """A model that answers asks."""

    def identity(self) -> Mapping[str, Any]:
        """All that its answers depend on, as plain JSON: of a model on this machine, its weights' hash."""
        ...

    def ask(self, asks: Sequence[Ask]) -> Iterator[tuple[int, Answer | UserError]]:
        """One outcome for each ask, by its place, as soon as it is known and in any order.

        Raises:
            UserError: for what no further ask could get round.
        """
        ...


class BackendClass(Protocol):
    """What a line of the registry names."""

    def open(self, place: str, opening: Opening) -> Backend:
        """The model at a place.

        Raises:
            UserError: if there is none, or it cannot be opened.
        """
        ...
