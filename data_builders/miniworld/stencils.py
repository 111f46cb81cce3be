"""The shapes: which points of the unit square each one covers, and their antialiased stencils."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Cover = NDArray[np.bool_]

# Outlines are written out rather than computed with sines, so that no pixel depends on a machine's libm.
_STAR = (
    (0.5, 0.0), (0.635, 0.34), (1.0, 0.37), (0.72, 0.6), (0.81, 0.96),
    (0.5, 0.76), (0.19, 0.96), (0.28, 0.6), (0.0, 0.37), (0.365, 0.34),
)  # fmt: skip
_ARROW = ((0.0, 0.36), (0.5, 0.36), (0.5, 0.08), (1.0, 0.5), (0.5, 0.92), (0.5, 0.64), (0.0, 0.64))
_BOLT = ((0.62, 0.0), (0.12, 0.58), (0.44, 0.58), (0.3, 1.0), (0.88, 0.38), (0.54, 0.38), (0.86, 0.0))


def _polygon(corners: tuple[tuple[float, float], ...]) -> Callable[[Points, Points], Cover]:
    def covers(x: Points, y: Points) -> Cover:
        inside = np.zeros(x.shape, dtype=np.bool_)
        for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
            if y0 == y1:
                continue
            crosses = (y0 > y) != (y1 > y)
            inside ^= crosses & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
        return inside

    return covers


def _disc(x: Points, y: Points, cx: float, cy: float, radius: float) -> Cover:
    return (x - cx) ** 2 + (y - cy) ** 2 <= radius**2


def _circle(x: Points, y: Points) -> Cover:
    return _disc(x, y, 0.5, 0.5, 0.5)


def _square(x: Points, y: Points) -> Cover:
    return (abs(x - 0.5) <= 0.46) & (abs(y - 0.5) <= 0.46)


def _heart(x: Points, y: Points) -> Cover:
    lobes = _disc(x, y, 0.27, 0.31, 0.27) | _disc(x, y, 0.73, 0.31, 0.27)
    # Below the lobes, the two straight sides down to the tip.
    point = (y > 0.31) & (abs(x - 0.5) <= 0.5 * (0.98 - y) / 0.56) & (abs(x - 0.5) <= 0.5 - 0.3 * (y - 0.31))
    middle = (abs(x - 0.5) <= 0.24) & (y > 0.28) & (y <= 0.6)
    return lobes | point | middle


def _diamond(x: Points, y: Points) -> Cover:
    return abs(x - 0.5) / 0.4 + abs(y - 0.5) / 0.5 <= 1.0


def _ring(x: Points, y: Points) -> Cover:
    return _disc(x, y, 0.5, 0.5, 0.5) & ~_disc(x, y, 0.5, 0.5, 0.27)


def _moon(x: Points, y: Points) -> Cover:
    return _disc(x, y, 0.55, 0.5, 0.5) & ~_disc(x, y, 0.83, 0.5, 0.42)


def _bow(x: Points, y: Points) -> Cover:
    return (abs(y - 0.5) <= 0.07 + 0.72 * abs(x - 0.5)) & (abs(y - 0.5) <= 0.42)


def _flag(x: Points, y: Points) -> Cover:
    pole = (x >= 0.08) & (x <= 0.24)
    cloth = (x >= 0.08) & (y <= 0.52) & (x <= 0.98)
    return pole | cloth


_COVERS: dict[str, Callable[[Points, Points], Cover]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _polygon(((0.5, 0.04), (1.0, 0.96), (0.0, 0.96))),
    "star": _polygon(_STAR),
    "heart": _heart,
    "diamond": _diamond,
    "ring": _ring,
    "moon": _moon,
    "arrow": _polygon(_ARROW),
    "bolt": _polygon(_BOLT),
    "bow": _bow,
    "flag": _flag,
}


@lru_cache(maxsize=2048)
def shape_stencil(name: str, size: int, samples: int = 8) -> NDArray[np.uint8]:
    """The opacity of a shape, cropped to the pixels that it touches.

    Args:
        name: one of ``vocabulary.SHAPES``.
        size: side of the square that the shape fills, in pixels.
        samples: points tested along each side of a pixel.

    Returns:
        (height, width) opacity, 0 to 255; read-only.
    """
    steps = (np.arange(size * samples) + 0.5) / (size * samples)
    x, y = np.meshgrid(steps, steps)
    covered = _COVERS[name](x, y).reshape(size, samples, size, samples).sum(axis=(1, 3))
    opacity = (covered * 255 // (samples * samples)).astype(np.uint8)
    return freeze(trim(opacity))


def trim(opacity: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut off the border rows and columns that would not count as the object's pixels."""
    rows = np.flatnonzero((opacity >= 128).any(axis=1))
    columns = np.flatnonzero((opacity >= 128).any(axis=0))
    return opacity[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def freeze(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same array, contiguous and read-only, so that a cache may hand it out."""
    array = np.ascontiguousarray(array)
    array.setflags(write=False)
    return array
