"""Rows by a linear rule over indicators, whose weights come from small tuning runs.

Source: Cao et al., "Instruction mining": the loss of models tuned on small subsets, regressed on the subsets'
mean indicators, predicts how good other rows are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from data_builders.curate.selection.base import Array, Pool, Settings, descending
from mmtune.errors import UserError


def choose(pool: Pool, count: int, seed: int, settings: Settings) -> list[int]:
    """By falling sum of weighted scores, each brought to mean 0 and deviation 1 over the pool."""
    if not settings.weights:
        raise UserError(
            "the linear rule has no weights",
            "--weight",
            "give some, as --weight rating=1 --weight length=-0.2",
        )
    total = sum(weight * standard(pool.column(name, "--weight")) for name, weight in settings.weights.items())
    return descending(np.asarray(total))[:count]


def standard(values: Array) -> Array:
    """Mean 0 and deviation 1; all 0 where the values are equal."""
    spread = float(values.std())
    return (values - values.mean()) / spread if spread > 0 else np.zeros_like(values)


def fit(runs: Sequence[Mapping[str, float]], losses: Sequence[float]) -> dict[str, float]:
    """Weights of the rule from tuning runs, by least squares.

    Args:
        runs: for each run the mean indicators of the rows that it was tuned on, standardised over the pool.
        losses: for each run the loss of its model on held-out rows.

    Returns:
        indicator -> weight; more is better, so they are the regression's coefficients with the other sign.

    Raises:
        ValueError: fewer runs than indicators, or runs with different indicators.
    """
    names = sorted(runs[0]) if runs else []
    if any(sorted(run) != names for run in runs) or len(runs) != len(losses) or len(runs) <= len(names):
        raise ValueError("a rule needs runs with the same indicators, and more runs than indicators")
    design = np.array([[1.0, *(run[name] for name in names)] for run in runs])
    found, *_ = np.linalg.lstsq(design, np.asarray(losses, dtype=float), rcond=None)
    return {name: -float(weight) for name, weight in zip(names, found[1:], strict=True)}
