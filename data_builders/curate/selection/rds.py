"""Rows whose hidden states are like those of the wanted examples, each example choosing in turn.

Source: Ivison et al., "Large-scale data selection for instruction tuning" (RDS+): position-weighted means of
the last hidden states, cosine similarity, round robin over the examples.
"""

from __future__ import annotations

from data_builders.curate.selection.base import Pool, Settings, descending

FEATURES = "hidden"


def choose(pool: Pool, count: int, seed: int, settings: Settings) -> list[int]:
    """In every round each example takes the most similar row that is still free."""
    similar = pool.unit(FEATURES) @ pool.unit_targets(FEATURES).T
    wanted = [iter(descending(column)) for column in similar.T]
    chosen: dict[int, None] = {}
    while len(chosen) < count:
        for queue in wanted:
            if len(chosen) == count:
                break
            place = next((one for one in queue if one not in chosen), None)
            if place is not None:
                chosen[place] = None
    return list(chosen)
