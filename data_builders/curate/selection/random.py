"""Any rows, each as likely: what every other selector has to be better than."""

from __future__ import annotations

import numpy as np

from data_builders.curate.selection.base import Pool, Settings


def choose(pool: Pool, count: int, seed: int, settings: Settings) -> list[int]:
    """A random sample without repetition; NumPy keeps this stream the same in all its versions."""
    return [int(place) for place in np.random.RandomState(seed).permutation(pool.size)[:count]]
