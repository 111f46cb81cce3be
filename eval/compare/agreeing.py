"""How far two runs can be apart that agree on every item: the draws of their difference say nothing."""

from __future__ import annotations

import math

import numpy as np

from eval.compare.counts import TaskCounts
from eval.metrics.intervals import Array, numbered

_MOST_KINDS = 64
"""Kinds of images, by what their answers count, of which each is changed into each other."""


def farthest(counts: TaskCounts, metric: str, share: float) -> float | None:
    """How far a metric can move when a share of the images changes from kinds of answers seen to others of
    these; None where there are too many kinds to try, or some of these moves leave it undefined.

    It bounds a difference of which the draws say nothing, as no image was answered so that it would differ.
    Images of one kind alone may be fewer than the share: those whose change moves the metric most go first.
    """
    first = counts.of(0)[0]
    sums = np.zeros((len(set(counts.clusters)), len(first)))
    np.add.at(sums, numbered(counts.clusters, len(counts.clusters)), np.array(list(first.values())).T)
    kinds, times = np.unique(sums, axis=0, return_counts=True)
    if len(kinds) > _MOST_KINDS:
        return None

    def moved_by(changes: Array) -> Array:
        totals = np.concatenate([np.zeros((1, sums.shape[1])), changes]) + sums.sum(axis=0)
        values = counts.aggregate({name: totals[:, place] for place, name in enumerate(first)})[metric]
        return np.asarray(values[1:] - values[0])

    budget = share * len(sums)
    most = np.minimum(budget, times)
    steps = (kinds - kinds[:, None]) * most[:, None, None]  # from each kind to each, all that may
    gains = moved_by(steps.reshape(-1, sums.shape[1])).reshape(len(kinds), len(kinds))
    if not np.isfinite(gains).all():
        return None
    found = 0.0
    for upward in (gains, -gains):
        aims = upward.argmax(axis=1)
        order = np.argsort(-upward.max(axis=1) / most)
        before = np.concatenate([[0.0], most[order].cumsum()[:-1]])
        part = np.clip((budget - before) / most[order], 0.0, 1.0)
        together = (steps[order, aims[order]] * part[:, None]).cumsum(axis=0)
        found = max(found, float(np.max(np.abs(moved_by(together)))))
    return found or None if math.isfinite(found) else None
