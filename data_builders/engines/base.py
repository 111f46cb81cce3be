"""What an engine does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Engine(ABC):
    """Applies a function to many items; the results come in the items' order, whoever worked them out.

    Args:
        workers: processes.
    """

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers

    @abstractmethod
    def map(self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Yield ``work(item)`` of each item, in order, holding a bounded number of items.

        Args:
            work: a function of a module (or a ``functools.partial`` of one), so that it can be sent away.
            items: may be endless; taken as they are needed.

        Raises:
            Exception: whatever ``work`` raises, at the item's place.
            UserError: if a worker was killed.
        """
