"""Rows that a judge rates best who learned from a few ratings of the model itself.

Source: the self-judge selectors (Self-J): a model rates a sample of the rows, a ridge regression from
features to ratings rates the rest, and every cluster gives its best.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from data_builders.curate.selection import k_means
from data_builders.curate.selection.base import Array, Pool, Settings
from mmtune.errors import UserError

_LEAST_RATED = 10
_PENALTY = 1.0
_COLUMN = "self-judged"


def choose(pool: Pool, count: int, seed: int, settings: Settings) -> list[int]:
    """Cluster quotas over the predicted ratings; rows that were rated keep their own."""
    judged = ratings(pool, settings)
    with_ratings = replace(pool, columns={**pool.columns, _COLUMN: judged})
    return k_means.choose(with_ratings, count, seed, replace(settings, by=_COLUMN))


def ratings(pool: Pool, settings: Settings) -> Array:
    """(rows,) ratings, predicted where the model gave none.

    Raises:
        UserError: fewer than ten rows are rated.
    """
    pool.column(settings.by, "--by")
    given = pool.columns[settings.by]
    rated = ~np.isnan(given)
    if rated.sum() < _LEAST_RATED:
        raise UserError(
            f"only {int(rated.sum())} rows have the score {settings.by!r}", fix=f"rate {_LEAST_RATED} or more"
        )
    vectors = pool.unit(settings.features)
    mean, middle = vectors[rated].mean(axis=0), given[rated].mean()
    known = vectors[rated] - mean
    gram = known.T @ known + _PENALTY * np.eye(known.shape[1])
    weights = np.linalg.solve(gram, known.T @ (given[rated] - middle))
    return np.where(rated, given, middle + (vectors - mean) @ weights)
