"""Rows of every cluster, so that what is common does not crowd out what is rare.

Source: Yu et al., "Diversify and Conquer": k-means over embeddings and a quota a cluster. Its later rounds
move the quotas by what training on the last choice improved; ``quota_weights`` is that step.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data_builders.curate.selection.base import Array, Pool, Settings
from data_builders.curate.selection.clusters import k_means, quotas


def choose(pool: Pool, count: int, seed: int, settings: Settings) -> list[int]:
    """A quota of each cluster by its size; in it the highest ``by``, at random where there are no scores."""
    labels = k_means(pool.unit(settings.features), settings.clusters, seed)
    return take(pool, labels, np.bincount(labels).astype(float), count, seed, settings)


def take(
    pool: Pool, labels: NDArray[np.int64], shares: Array, count: int, seed: int, settings: Settings
) -> list[int]:
    """Rows by the clusters' shares.

    Args:
        pool: the rows.
        labels: (rows,) cluster of each.
        shares: (clusters,) weight of each.
        count: rows to take.
        seed: of the order within a cluster.
        settings: ``by`` orders a cluster where the rows have that score.
    """
    # Not the order of the random baseline, or what is random here would be the same rows.
    order = np.random.RandomState([seed, 1]).permutation(pool.size)
    if (
        settings.by in pool.columns or settings.by != Settings.by
    ):  # A name that somebody gave has to be there.
        order = order[np.argsort(-pool.column(settings.by, "--by")[order], kind="stable")]
    given = quotas(shares, np.bincount(labels, minlength=len(shares)), count)
    chosen: list[int] = []
    for cluster, quota in enumerate(given.tolist()):
        members = order[labels[order] == cluster]
        chosen += [int(place) for place in members[:quota]]
    return chosen


def quota_weights(shares: Array, gains: Array) -> Array:
    """The next round's shares: those of clusters that training on them helped more grow.

    Args:
        shares: (clusters,) of the round that was trained on.
        gains: (clusters,) improvement that the cluster's rows brought, in any unit; negative where they hurt.

    Returns:
        (clusters,) shares that add up to 1.
    """
    spread = float(gains.std()) or 1.0
    grown = shares * np.exp((gains - gains.mean()) / spread)
    return grown / grown.sum()
