"""Image enlarging and shrinking in whole numbers, the same to the last bit on every machine."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_ONE = 4096


def resample(image: NDArray[np.integer], height: int, width: int) -> NDArray[np.int64]:
    """Resize with a triangle filter: bilinear when enlarging, area-weighted when shrinking.

    Args:
        image: (rows, columns) or (rows, columns, channels) of whole numbers.
        height: rows wanted.
        width: columns wanted.

    Returns:
        (height, width[, channels]).
    """
    rows = _weights(image.shape[0], height)
    columns = _weights(image.shape[1], width)
    # Float64 for the speed of BLAS; all products and sums are whole numbers below 2**53, hence exact.
    planes = np.moveaxis(image.astype(np.float64).reshape(*image.shape[:2], -1), -1, 0)
    full = (rows @ planes @ columns.T).astype(np.int64)
    full = (full + _ONE * _ONE // 2) // (_ONE * _ONE)
    return np.moveaxis(full, 0, -1).reshape(height, width, *image.shape[2:])


@lru_cache(maxsize=256)
def _weights(source: int, target: int) -> NDArray[np.float64]:
    """(target, source) filter weights, each row summing to ``_ONE``; in whole numbers from the start."""
    # Positions in units of 1 / (2 * target) source pixels, so that both grids fall on whole numbers.
    centers = (2 * np.arange(target, dtype=np.int64) + 1) * source - target
    reach = 2 * max(source, target)
    distance = abs(centers[:, None] - 2 * target * np.arange(source, dtype=np.int64)[None, :])
    weights = np.maximum(0, reach - distance)
    whole = weights * _ONE // weights.sum(axis=1, keepdims=True)
    whole[np.arange(target), whole.argmax(axis=1)] += _ONE - whole.sum(axis=1)
    exact = whole.astype(np.float64)
    exact.setflags(write=False)
    return exact
