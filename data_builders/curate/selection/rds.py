"""Rows whose hidden states are like those of the wanted examples, each example choosing in turn.

Source: Ivison et al., "Large-scale data selection for instruction tuning" (RDS+): position-weighted means of
the last hidden states, cosine similarity, round robin over the examples.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from data_builders.curate.selection.base import Array, Pool, Settings

FEATURES = "hidden"


def choose(pool: Pool, count: int, seed: int, settings: Settings) -> list[int]:
    """In every round each example takes the most similar row that is still free."""
    rows = pool.unit(FEATURES)
    wanted = [_nearest(rows @ target, count) for target in pool.unit_targets(FEATURES)]
    chosen: dict[int, None] = {}
    while len(chosen) < count:
        for queue in wanted:
            if len(chosen) == count:
                break
            place = next((one for one in queue if one not in chosen), None)
            if place is not None:
                chosen[place] = None
    return list(chosen)


def _nearest(similar: Array, count: int) -> Iterator[int]:
    """The most similar rows, of equals the first one first: no more are needed, whatever the others take."""
    least = np.partition(similar, -count)[-count]
    places = np.flatnonzero(similar >= least)
    order = places[np.argsort(-similar[places], kind="stable")][:count].astype(np.int32)
    return (int(place) for place in order)
