"""Diverse, difficult and dependable rows.

Source: Zhang et al., "D3: Diversity, Difficulty, and Dependability-aware data selection": a core set by
distance, each row weighted by its difficulty and by how far it can be relied on.
"""

from __future__ import annotations

from data_builders.curate.selection.base import Pool, Settings, scaled
from data_builders.curate.selection.k_center import farthest_first


def choose(pool: Pool, count: int, seed: int, settings: Settings) -> list[int]:
    """Greedy farthest-first with ``complexity`` (difficulty) times ``quality`` (dependability) as weight.

    Both are scaled to 0..1, so that noise, which is difficult and cannot be relied on, stays out.
    """
    difficulty, dependability = (
        scaled(pool.column(name, option))
        for name, option in ((settings.complexity, "--complexity"), (settings.quality, "--quality"))
    )
    return farthest_first(pool.unit(settings.features), 1e-6 + difficulty * dependability, count)
