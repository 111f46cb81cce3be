"""Which item of a set stands for which, from pairs that are alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pairs = NDArray[np.int64]
"""(pairs, 2) of indices, the earlier one first."""

NO_PAIRS: Pairs = np.empty((0, 2), dtype=np.int64)


def representatives(count: int, pairs: Pairs) -> NDArray[np.int64]:
    """For each item the first one that it is alike to, itself where there is none.

    An item stands for others only if it stands for itself, so that a chain of small differences does not
    join what is far apart.

    Args:
        count: number of items.
        pairs: which are alike; may hold a pair twice.

    Returns:
        (count,) indices, none above its own place.
    """
    first = np.arange(count, dtype=np.int64)
    for earlier, later in pairs[np.lexsort((pairs[:, 0], pairs[:, 1]))]:
        if first[earlier] == earlier and first[later] == later:
            first[later] = earlier
    return first
