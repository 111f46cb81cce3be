"""Good and hard rows that are far from those chosen before them.

Source: Liu et al., "What makes good data for alignment?" (DEITA): rows in the order of quality x complexity,
each taken if its nearest *chosen* row is far enough away.
"""

from __future__ import annotations

import logging

import numpy as np

from data_builders.curate.selection.base import Pool, Settings, descending, ranks

log = logging.getLogger(__name__)


def choose(pool: Pool, count: int, seed: int, settings: Settings) -> list[int]:
    """Greedy; where too few rows are far enough, the best of the others fill up, and a line says so."""
    # Ranks from above zero: a product of raw scores would hang on where their scales begin.
    quality = 1 + ranks(pool.column(settings.quality, "--quality"))
    complexity = 1 + ranks(pool.column(settings.complexity, "--complexity"))
    vectors = pool.unit(settings.features)
    order = descending(quality * complexity)
    chosen: list[int] = []
    passed: list[int] = []
    taken = np.empty((count, vectors.shape[1]))
    for place in order:
        if len(chosen) == count:
            break
        near = taken[: len(chosen)] @ vectors[place]
        if len(near) and near.max() > 1 - settings.distance:
            passed.append(place)
            continue
        taken[len(chosen)] = vectors[place]
        chosen.append(place)
    if len(chosen) < count:
        log.info(
            "only %d rows are %g apart; %d others fill up",
            len(chosen),
            settings.distance,
            count - len(chosen),
        )
    return [*chosen, *passed[: count - len(chosen)]]
