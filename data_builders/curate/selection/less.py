"""Rows whose gradients point where the gradients of a few wanted examples point.

Source: Xia et al., "LESS: Selecting influential data for targeted instruction tuning": cosine of projected
adapter gradients; the mean over the examples of a task, the greatest over the tasks.
"""

from __future__ import annotations

import numpy as np

from data_builders.curate.selection.base import Array, Pool, Settings, descending

FEATURES = "gradients"


def choose(pool: Pool, count: int, seed: int, settings: Settings) -> list[int]:
    """By falling influence, summed over checkpoints (features ``gradients``, ``gradients-2`` …)."""
    return descending(influence(pool))[:count]


def influence(pool: Pool) -> Array:
    """(rows,) influence on the task that each row helps most."""
    names = [name for name in sorted(pool.features) if name == FEATURES or name.startswith(f"{FEATURES}-")]
    by_checkpoint = []
    for name in names or [FEATURES]:
        rows, targets = pool.unit(name), pool.unit_targets(name)
        groups = pool.groups if pool.groups is not None else np.zeros(len(targets), dtype=np.int64)
        # The mean of the cosines is the product with the mean of the targets.
        wanted = [targets[groups == group].mean(axis=0) for group in np.unique(groups)]
        by_checkpoint.append(rows @ np.stack(wanted, axis=1))
    # A row that helps one task at one checkpoint and another task at the next helps neither much.
    total: Array = np.sum(by_checkpoint, axis=0).max(axis=1)
    return total
