"""Clusters of vectors, and how many rows each of them gives."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from data_builders.curate.selection.base import Array

_EXACT = 20_000
"""Rows up to which all of them are looked at in every step."""


def k_means(vectors: Array, clusters: int | None, seed: int) -> NDArray[np.int64]:
    """(rows,) number of each row's cluster."""
    from sklearn.cluster import KMeans, MiniBatchKMeans

    wanted = clusters or max(1, round((len(vectors) / 2) ** 0.5))
    wanted = min(wanted, len(vectors))
    kind = KMeans if len(vectors) <= _EXACT else MiniBatchKMeans
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fewer different rows than clusters: some stay empty, which is fine
        return kind(wanted, n_init=1, random_state=seed).fit_predict(vectors).astype(np.int64)


def quotas(shares: Array, sizes: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Whole numbers in proportion to shares that add up to ``count``, none above its size.

    What a small cluster cannot give goes to the others in the same proportion; fractions go to the largest
    remainders, of equals to the first. Who has no share gives only what nobody else can.

    Raises:
        ValueError: the sizes do not add up to ``count``.
    """
    if sizes.sum() < count:
        raise ValueError(f"{sizes.sum()} rows cannot give {count}")
    given = np.zeros(len(sizes), dtype=np.int64)
    while (left := count - int(given.sum())) > 0:
        free = given < sizes
        weights = np.where(free, np.maximum(shares, 0), 0.0)
        if weights.sum() <= 0:
            weights = free.astype(float)
        exact = left * weights / weights.sum()
        whole = np.minimum(np.floor(exact).astype(np.int64), sizes - given)
        if (whole == np.floor(exact)).all():
            order = np.argsort(-(exact - whole), kind="stable")
            roomy = [
                place for place in order if weights[place] > 0 and sizes[place] - given[place] > whole[place]
            ]
            whole[roomy[: left - int(whole.sum())]] += 1
        given += whole
    return given
