"""From pixel masks to COCO's two ways of writing them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Point = tuple[int, int]


def segmentation(mask: Mask) -> list[list[int]] | dict[str, Any]:
    """Polygons along the pixels' borders; run lengths where there is a hole, which polygons cannot show.

    Both give back exactly the pixels of the mask, a pixel being inside where its centre is.

    Args:
        mask: (height, width).
    """
    loops = outlines(mask)
    if any(_doubled_area(loop) < 0 for loop in loops):
        return {"size": list(mask.shape), "counts": run_lengths(mask)}
    return [[value for point in loop for value in point] for loop in loops]


def run_lengths(mask: Mask) -> list[int]:
    """Uncompressed COCO run lengths: column by column, the first run being background."""
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges = np.concatenate(([0], changes, [flat.size]))
    runs: list[int] = np.diff(edges).tolist()
    return [0, *runs] if flat[0] else runs


def outlines(mask: Mask) -> list[list[Point]]:
    """The closed borders of a mask through pixel corners, clockwise around pixels and anticlockwise in holes.

    Args:
        mask: (height, width).

    Returns:
        For each border the (x, y) of its corners, without points on straight runs.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return []
    top, left = int(rows[0]), int(columns[0])
    crop = mask[top : rows[-1] + 1, left : columns[-1] + 1]
    # Most objects are whole and of few sizes, so the same silhouettes come again and again.
    loops = _silhouette_outlines(crop.shape[0], crop.shape[1], crop.tobytes())
    return [[(x + left, y + top) for x, y in loop] for loop in loops]


@lru_cache(maxsize=4096)
def _silhouette_outlines(height: int, width: int, pixels: bytes) -> tuple[tuple[Point, ...], ...]:
    crop = np.frombuffer(pixels, dtype=np.bool_).reshape(height, width)
    padded = np.pad(crop, 1)
    ahead: dict[Point, list[Point]] = {}
    for (dy, dx), start, end in (
        ((-1, 0), (0, 0), (1, 0)),  # nothing above: the top side, to the right
        ((0, 1), (1, 0), (1, 1)),  # nothing to the right: the right side, down
        ((1, 0), (1, 1), (0, 1)),  # nothing below: the bottom side, to the left
        ((0, -1), (0, 1), (0, 0)),  # nothing to the left: the left side, up
    ):
        free = crop & ~padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
        ys, xs = np.nonzero(free)
        for x, y in zip(xs.tolist(), ys.tolist(), strict=True):
            ahead.setdefault((x + start[0], y + start[1]), []).append((x + end[0], y + end[1]))
    loops = []
    while ahead:
        loops.append(tuple(_walk(ahead)))
    return tuple(loops)


def _walk(ahead: dict[Point, list[Point]]) -> list[Point]:
    """Take one closed border out of the sides that are left."""
    start = here = next(iter(ahead))
    direction: Point | None = None
    corners: list[Point] = []
    while True:
        ends = ahead[here]
        # Where two pixels touch at a corner only, turn right: the border stays on its own pixel.
        there = ends[0]
        if len(ends) > 1 and direction is not None:
            right = (-direction[1], direction[0])
            there = next(end for end in ends if (end[0] - here[0], end[1] - here[1]) == right)
        ends.remove(there)
        if not ends:
            del ahead[here]
        step = (there[0] - here[0], there[1] - here[1])
        if step != direction:
            corners.append(here)
        direction, here = step, there
        if here == start and not _continues(ahead, here, direction):
            break
    if len(corners) > 1 and _straight(corners[-1], corners[0], corners[1]):
        corners.pop(0)
    return corners


def _continues(ahead: dict[Point, list[Point]], here: Point, direction: Point) -> bool:
    right = (here[0] - direction[1], here[1] + direction[0])
    return right in ahead.get(here, ())


def _straight(a: Point, b: Point, c: Point) -> bool:
    return (a[0] == b[0] == c[0]) or (a[1] == b[1] == c[1])


def _doubled_area(loop: list[Point]) -> int:
    """Twice the area inside, negative for a hole."""
    pairs = zip(loop, [*loop[1:], loop[0]], strict=True)
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairs)
