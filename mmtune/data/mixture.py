"""Which record stands at which position of a run: a function of the position, so nothing needs saving."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np


class Draw(NamedTuple):
    """One record of a mixture."""

    source: int
    """Index of the source."""
    record: int
    """Index of the record in its source."""


class Order(Protocol):
    """Records in the order in which a run meets them."""

    epoch_records: int
    """Records of one epoch."""

    def at(self, position: int) -> Draw:
        """The record at a zero-based position of the whole run."""


class InOrder:
    """Each record of each source once, as the files have them; for validation.

    Args:
        sizes: records of each source.
        limit: take at most this many, evenly spaced over all.
    """

    def __init__(self, sizes: Sequence[int], limit: int | None = None) -> None:
        self._ends = np.cumsum(sizes)
        self._total = int(self._ends[-1])
        self.epoch_records = self._total if limit is None else min(limit, self._total)

    def at(self, position: int) -> Draw:
        """The record at a zero-based position; begins again after the last."""
        return _locate(self._ends, position % self.epoch_records * self._total // self.epoch_records)


class Mixture:
    """Sources shuffled into one endless sequence of epochs.

    An epoch draws ``round(weight * size)`` records of each source, at least one, in an order shuffled by seed
    and epoch. A source is walked in passes, each a fresh shuffle in which every record comes once; so with
    weight 1 an epoch has each record exactly once, and with weight 0.5 two epochs have.

    Args:
        sizes: records of each source.
        weights: times that a record of each source is drawn in an epoch, on average.
        seed: seed of every shuffle.
    """

    def __init__(self, sizes: Sequence[int], weights: Sequence[float], seed: int) -> None:
        if len(sizes) != len(weights) or not sizes or min(sizes) < 1:
            raise ValueError(
                f"a mixture needs one weight for each source with records, got {sizes} and {weights}"
            )
        self.sizes = tuple(int(size) for size in sizes)
        self.draws = tuple(max(1, round(w * size)) for w, size in zip(weights, self.sizes, strict=True))
        self.seed = seed
        self._ends = np.cumsum(self.draws)
        self.epoch_records = int(self._ends[-1])
        self._epoch: tuple[int, np.ndarray] = (-1, np.empty(0, dtype=np.int64))
        self._passes: dict[int, dict[int, np.ndarray]] = {}

    def at(self, position: int) -> Draw:
        """The record at a zero-based position of the whole run."""
        epoch, place = divmod(position, self.epoch_records)
        if self._epoch[0] != epoch:
            self._epoch = (epoch, _shuffled(self.epoch_records, self.seed, 0, epoch))
        source, draw = _locate(self._ends, int(self._epoch[1][place]))
        number, offset = divmod(epoch * self.draws[source] + draw, self.sizes[source])
        return Draw(source, int(self._pass(source, number)[offset]))

    def _pass(self, source: int, number: int) -> np.ndarray:
        """The order of one pass over a source; an epoch needs few of them, so older ones are dropped."""
        passes = self._passes.setdefault(source, {})
        if number not in passes:
            for old in [n for n in passes if abs(n - number) > self.draws[source] // self.sizes[source] + 1]:
                del passes[old]
            passes[number] = _shuffled(self.sizes[source], self.seed, 1 + source, number)
        return passes[number]


def _locate(ends: np.ndarray, place: int) -> Draw:
    """Split a place in the sources laid end to end into source and place in the source."""
    source = int(np.searchsorted(ends, place, side="right"))
    return Draw(source, place - int(ends[source - 1]) if source else place)


def _shuffled(size: int, *seed: int) -> np.ndarray:
    """A permutation of ``range(size)`` that is the same on every machine and NumPy version."""
    # RandomState's stream is frozen by NumPy; that of default_rng may change from one version to the next.
    return np.random.RandomState([value & 0xFFFFFFFF for value in seed]).permutation(size)
