"""The rows with the highest score."""

from __future__ import annotations

from data_builders.curate.selection.base import Pool, Settings, descending


def choose(pool: Pool, count: int, seed: int, settings: Settings) -> list[int]:
    """By falling ``settings.by``."""
    return descending(pool.column(settings.by, "--by"))[:count]
