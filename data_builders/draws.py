"""Random draws that are the same in every process, on every machine and with every numpy."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, MutableSequence, Sequence
from itertools import islice
from typing import TypeVar

import numpy as np

T = TypeVar("T")
H = TypeVar("H", bound=Hashable)
_WORD = 2**64


class Draws:
    """A stream of draws fixed by a seed and a place.

    Only the raw 64-bit output of the Philox counter generator is used, because numpy promises that
    output for ever, while the methods of its ``Generator`` may give other numbers in another version.

    Args:
        seed: any integer.
        place: integers that name the stream, such as a purpose and a scene's number.
    """

    def __init__(self, seed: int, *place: int) -> None:
        stream = 0
        for part in place:
            stream = (stream * 0x9E3779B97F4A7C15 + part + 1) % _WORD
        self._key = seed % _WORD, stream
        self._bits: np.random.Philox | None = None
        self._buffer: list[int] = []

    def below(self, limit: int) -> int:
        """An integer from 0 to ``limit - 1``, each equally likely."""
        if not self._buffer:
            self._fill()
        return (self._buffer.pop() * limit) >> 64

    def between(self, low: int, high: int) -> int:
        """An integer from ``low`` to ``high``, both included."""
        return low + self.below(high - low + 1)

    def uniform(self) -> float:
        """A number from 0 up to 1."""
        return (self._next() >> 11) * 2.0**-53

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.uniform() < probability

    def choice(self, items: Sequence[T]) -> T:
        """One of the items, each equally likely."""
        return items[self.below(len(items))]

    def weighted(self, items: Sequence[T], weights: Sequence[float]) -> T:
        """One of the items, in proportion to its weight."""
        left = self.uniform() * sum(weights)
        for item, weight in zip(items, weights, strict=True):
            left -= weight
            if left < 0:
                return item
        return items[-1]

    def shuffle(self, items: MutableSequence[T]) -> None:
        """Put the items in a random order, in place."""
        below = self.below
        for last in range(len(items) - 1, 0, -1):
            other = below(last + 1)
            items[last], items[other] = items[other], items[last]

    def in_random_order(self, items: Sequence[T]) -> Iterator[T]:
        """The items one by one in random order; those that are not taken cost nothing."""
        pool = list(items)
        for left in range(len(pool), 0, -1):
            if not self._buffer:
                self._fill()
            place = (self._buffer.pop() * left) >> 64
            pool[place], pool[-1] = pool[-1], pool[place]
            yield pool.pop()

    def few(self, items: Sequence[T], count: int) -> list[T]:
        """``count`` different items in random order, as ``sample`` gives, with one draw an item.

        Two methods, since the draws of ``sample`` are what data sets that are published were made with.
        """
        return list(islice(self.in_random_order(items), count))

    def distinct_samples(self, items: Sequence[H], count: int, tries: int) -> Iterator[list[H]]:
        """At most ``tries`` samples, no two of which hold the same items."""
        seen: set[frozenset[H]] = set()
        for _ in range(tries):
            found = self.few(items, count)
            if frozenset(found) not in seen:
                seen.add(frozenset(found))
                yield found

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        """``count`` different items in random order."""
        pool = list(items)
        self.shuffle(pool)
        return pool[:count]

    def _next(self) -> int:
        if not self._buffer:
            self._fill()
        return self._buffer.pop()

    def _fill(self) -> None:
        if self._bits is None:  # made at the first draw: many a stream is never drawn from
            self._bits = np.random.Philox(key=np.array(self._key, dtype=np.uint64))
        self._buffer = self._bits.random_raw(64).tolist()
