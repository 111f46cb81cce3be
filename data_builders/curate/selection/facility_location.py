"""Rows that together are most like all rows: each row counts by its most similar chosen one.

Source: greedy maximisation of the facility-location function (Nemhauser et al.), lazily evaluated (Minoux);
at least 1 - 1/e of the best value.
"""

from __future__ import annotations

import heapq
import logging

import numpy as np

from data_builders.curate.selection.base import Array, Pool, Settings

_REFERENCES = 4096
"""Rows that stand for all in the function; of more, a random sample does."""
_NOTHING = 1e-9
"""What rounding makes of a gain of 0; from there on rows would be taken in the order of the file."""

log = logging.getLogger(__name__)


def choose(pool: Pool, count: int, seed: int, settings: Settings) -> list[int]:
    """Greedy over cosine similarity, cut at 0; at random once every row that stands for all is covered."""
    vectors = pool.unit(settings.features)
    references = vectors
    if pool.size > _REFERENCES:
        references = vectors[np.sort(np.random.RandomState(seed).permutation(pool.size)[:_REFERENCES])]
    chosen = greedy(vectors, references, count)
    if (missing := count - len(chosen)) > 0:
        log.info("%d rows cover everything that is compared; %d others are random", len(chosen), missing)
        free = np.random.RandomState([seed, 1]).permutation(np.setdiff1d(np.arange(pool.size), chosen))
        chosen += [int(place) for place in free[:missing]]
    return chosen


def greedy(vectors: Array, references: Array, count: int) -> list[int]:
    """Places of at most ``count`` rows, the one that adds most first; fewer where no other row adds anything.

    A row's gain only falls as others are chosen, so one that is still the best after a fresh look is the
    best of all, and most rows are never looked at again.
    """
    covered = np.zeros(len(references))
    gains = [float(np.maximum(references @ vector, 0).sum()) for vector in vectors]
    queue = [(-gain, place) for place, gain in enumerate(gains)]
    heapq.heapify(queue)
    chosen: list[int] = []
    while len(chosen) < count:
        _, place = heapq.heappop(queue)
        similar = np.maximum(references @ vectors[place], 0)
        gain = float(np.maximum(similar - covered, 0).sum())
        if queue and (-gain, place) > queue[0]:
            heapq.heappush(queue, (-gain, place))
            continue
        if gain <= _NOTHING:
            break
        covered = np.maximum(covered, similar)
        chosen.append(place)
    return chosen
