"""Lay one picture exactly on the part of another that it was cut from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[np.float32]

SIDE = 96
"""Sides of the copies that are compared, in pixels."""
FINE = 16
"""Cells a side of the copies that are laid on each other."""
_BLOCKS = 8
_LEAST_SIZE = 0.5
_STRETCH = 0.06
"""Logarithm of the stretch that rounding to pixels may leave in a crop; a crop itself stretches nothing."""
_TIED = ((0.04, 25.0), (0.02, 14.0), (0.01, 9.0))
"""Steps by which a window is moved and scaled, and the mean difference above which a pair is given up."""
_FREE = ((0.005, 8.0), (0.0025, 8.0))
"""The same for steps in which its edges move one by one."""

Window = tuple[float, float, float, float]
"""Left, top, right and bottom as shares of a picture's sides."""
WHOLE: Window = (0.0, 0.0, 1.0, 1.0)


class Picture(NamedTuple):
    """A small copy of an image."""

    pixels: NDArray[np.uint8]
    """(3, 96, 96) mean colours; the sides are stretched to a square, which keeps windows rectangular."""
    aspect: float
    """Width over height of the image itself."""


def picture_of(image: Image.Image) -> Picture:
    """The copy of an image that is compared with others."""
    kind = Image.Resampling.BILINEAR if min(image.size) < SIDE else Image.Resampling.BOX
    reduced = image.convert("RGB").resize((SIDE, SIDE), kind)
    pixels = np.ascontiguousarray(np.asarray(reduced, dtype=np.uint8).transpose(2, 0, 1))
    return Picture(pixels, image.width / image.height)


def align(cut: Picture, whole: Picture, rough: Window) -> tuple[Window, float]:
    """The window of ``whole`` that ``cut`` fits best.

    Scale and place are searched first, with the sides tied so that nothing is stretched; then the edges move
    a little one by one. If the sides were free from the beginning, two drawings on an empty ground could be
    laid on each other by stretching the ground where they differ.

    Args:
        cut: may be a crop of ``whole``.
        whole: where it may have been cut from.
        rough: where to begin.

    Returns:
        The window, and the difference of its worst block, of 255; infinite where the pair was given up.
    """
    fine, picture = cells_of(cut.pixels, FINE), whole.pixels.astype(np.float32)
    relation = cut.aspect / whole.aspect  # width over height of an unstretched window, in shares
    left, top, right, bottom = rough
    scale = math.sqrt(max((right - left) * (bottom - top), 0.01) * max(relation, 1 / relation))
    state = _clipped((left + right) / 2, (top + bottom) / 2, scale, relation)
    mean = _mean_difference(fine, picture, _edges(*state, relation))
    for step, hopeless in _TIED:
        if mean > hopeless:
            return rough, math.inf
        moved = True
        while moved:
            moved = False
            for trial in _tied_moves(state, step, relation):
                tried = _mean_difference(fine, picture, _edges(*trial, relation))
                if tried < mean - 1e-3:
                    state, mean, moved = trial, tried, True
    edges = _edges(*state, relation)
    for step, hopeless in _FREE:
        if mean > hopeless:
            return rough, math.inf
        moved = True
        while moved:
            moved = False
            for change in _EDGE_MOVES:
                left, top, right, bottom = (e + step * by for e, by in zip(edges, change, strict=True))
                if not _unstretched((left, top, right, bottom), relation):
                    continue
                tried = _mean_difference(fine, picture, (left, top, right, bottom))
                if tried < mean - 1e-3:
                    edges, mean, moved = (left, top, right, bottom), tried, True
    return edges, worst_block(fine, picture, edges)


def worst_block(fine: Array, picture: Array, edges: Sequence[float] = WHOLE) -> float:
    """The greatest difference of the mean colours of a block, of 255.

    Of means, because along an edge that is half a pixel off, more light on one side and less on the other
    cancel out, and those of a thing of another colour do not.
    """
    side = FINE // _BLOCKS
    blocks = _apart(fine, picture, edges).reshape(3, _BLOCKS, side, _BLOCKS, side).mean(axis=(2, 4))
    return float(np.abs(blocks).mean(axis=0).max())


@lru_cache(4096)
def matrix(start: float, end: float, cells: int) -> Array:
    """(cells, 96): means of equal parts of ``start``..``end``, pixels by the share covered."""
    edges = np.linspace(start, end, cells + 1) * SIDE
    pixels = np.arange(SIDE)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    covered = np.clip(covered, 0, None)
    return (covered / covered.sum(axis=1, keepdims=True)).astype(np.float32)


def cells_of(pixels: NDArray[np.uint8], cells: int) -> Array:
    """(3, cells, cells) mean colours of a picture."""
    means = matrix(0.0, 1.0, cells)
    return means @ pixels.astype(np.float32) @ means.T


_Tied = tuple[float, float, float]
"""Middle of a window, and its longer share of a side."""


def _edges(x: float, y: float, scale: float, relation: float) -> Window:
    width, height = scale * min(1.0, relation) / 2, scale * min(1.0, 1 / relation) / 2
    return max(0.0, x - width), max(0.0, y - height), min(1.0, x + width), min(1.0, y + height)


def _clipped(x: float, y: float, scale: float, relation: float) -> _Tied:
    """The nearest window that lies inside the picture."""
    scale = min(1.0, max(_LEAST_SIZE, scale))
    width, height = scale * min(1.0, relation) / 2, scale * min(1.0, 1 / relation) / 2
    return min(1 - width, max(width, x)), min(1 - height, max(height, y)), scale


def _tied_moves(state: _Tied, step: float, relation: float) -> Iterator[_Tied]:
    """Windows that lie a step beside, or are a step larger or smaller about the middle or a corner."""
    x, y, scale = state
    for across, down in ((step, 0.0), (-step, 0.0), (0.0, step), (0.0, -step)):
        yield _clipped(x + across, y + down, scale, relation)
    for grown in (step, -step):
        for across in (0.0, 0.5, -0.5):
            for down in (0.0, 0.5, -0.5):
                yield _clipped(x + across * grown, y + down * grown, scale + grown, relation)


# Edges of a window: one moves, or two do, so that the whole window slides.
_EDGE_MOVES: tuple[Window, ...] = tuple(
    tuple(float(sign * on) for on in move)  # type: ignore[misc]
    for move in ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1), (1, 0, 1, 0), (0, 1, 0, 1))
    for sign in (1, -1)
)


def _unstretched(edges: Window, relation: float) -> bool:
    left, top, right, bottom = edges
    if left < 0 or top < 0 or right > 1 or bottom > 1 or right - left <= 0 or bottom - top <= 0:
        return False
    return abs(math.log((right - left) / (bottom - top) / relation)) <= _STRETCH


def _apart(fine: Array, picture: Array, edges: Sequence[float]) -> Array:
    """(3, 16, 16) by how much a window of one picture is brighter than another picture."""
    left, top, right, bottom = (round(edge, 4) for edge in edges)
    return matrix(top, bottom, FINE) @ picture @ matrix(left, right, FINE).T - fine


def _mean_difference(fine: Array, picture: Array, edges: Sequence[float]) -> float:
    return float(np.abs(_apart(fine, picture, edges)).mean())
