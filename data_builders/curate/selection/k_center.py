"""Rows such that every row is near one of them.

Source: Gonzalez' greedy 2-approximation of the k-centre problem, as in Sener and Savarese's core sets.
"""

from __future__ import annotations

import numpy as np

from data_builders.curate.selection.base import Array, Pool, Settings

_BLOCK = 65_536
"""Rows whose differences are in memory at once."""


def choose(pool: Pool, count: int, seed: int, settings: Settings) -> list[int]:
    """Starts with the row nearest to the mean; then always the row that is farthest from all chosen ones."""
    vectors = pool.unit(settings.features)
    return farthest_first(vectors, np.ones(pool.size), count)


def farthest_first(vectors: Array, weights: Array, count: int) -> list[int]:
    """Greedy by distance to the chosen rows times weight.

    Args:
        vectors: (rows, width).
        weights: (rows,) above 0; how much a row counts.
        count: rows to choose.
    """
    start = weights / np.maximum(_distances(vectors, vectors.mean(axis=0)), 1e-9)
    chosen = [int(start.argmax())]
    free = np.ones(len(vectors), dtype=bool)
    free[chosen[0]] = False
    nearest = np.full(len(vectors), np.inf)
    while len(chosen) < count:
        nearest = np.minimum(nearest, _distances(vectors, vectors[chosen[-1]]))
        place = int(np.where(free, nearest * weights, -1.0).argmax())
        free[place] = False
        chosen.append(place)
    return chosen


def _distances(vectors: Array, point: Array) -> Array:
    """(rows,) Euclidean distance of each row to a point."""
    found = np.empty(len(vectors))
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK]
        found[start : start + _BLOCK] = np.linalg.norm(block - point, axis=1)
    return found
