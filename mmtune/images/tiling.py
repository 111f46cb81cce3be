"""The arithmetic of tiles: which canvas suits an image, and which of its tokens show the image itself.

All sizes are (width, height) in pixels, all grids rows and columns. The Hub's classes keep the same lists as
(height, width): read so, an image that two canvases suit equally well gets the other one of the two.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from mmtune.errors import UserError
from mmtune.images.geometry import Grid

Size = tuple[int, int]

_GRID = re.compile(r"\(\s*(\d+)\s*x\s*(\d+)\s*\)")
_SHRINK_FROM = 1.1
"""Tokens a side over the limit, as a factor, that are still left as they are."""

_LARGEST_SCALE = 100.0
"""Times that an image is enlarged at most."""


def parse_canvases(pinpoints: str | Sequence[Sequence[int]], side: int) -> tuple[Size, ...]:
    """The canvases that a setting names, in its order.

    Args:
        pinpoints: pairs (width, height) in pixels, or the first and the last of a range of tile grids
            (columns x rows) as text, ``(1x1),...,(6x6)``; what stands between the two is not read.
        side: pixels of a view's side.

    Returns:
        (width, height) of each canvas; those of a range column by column.

    Raises:
        UserError: if the text names no grid, or a canvas is not made of whole views.

    Source: the two spellings of ``image_grid_pinpoints`` in LLaVA-NeXT.
    """
    pairs: list[Sequence[int]] = []
    if not isinstance(pinpoints, str):
        pairs = list(pinpoints)
    elif named := [(int(cols), int(rows)) for cols, rows in _GRID.findall(pinpoints)]:
        (first_cols, first_rows), (last_cols, last_rows) = named[0], named[-1]
        columns, rows_of = range(first_cols, last_cols + 1), range(first_rows, last_rows + 1)
        pairs = [(cols * side, rows * side) for cols in columns for rows in rows_of]
    where = "model.images.pinpoints"
    if not pairs:
        raise UserError(
            f"there is no canvas in {pinpoints!r}",
            where,
            "write (1x1),...,(6x6), or a list of [width, height]",
        )
    for pair in pairs:
        if len(pair) != 2 or any(length < side or length % side for length in pair):
            raise UserError(
                f"a canvas of {' x '.join(map(str, pair))} pixels is not made of whole views of {side}",
                where,
                "give multiples of that as [width, height], or a range of grids as (1x1),...,(6x6)",
            )
    return tuple((pair[0], pair[1]) for pair in pairs)


def best_canvas(width: int, height: int, canvases: Sequence[Size]) -> Size:
    """The canvas that keeps most pixels of an image; of several, that with least border; of those, the first.

    Source: ``select_best_resolution`` of LLaVA-1.6.
    """

    def suits(canvas: Size) -> tuple[int, int]:
        scale = min(canvas[0] / width, canvas[1] / height)
        kept = min(int(width * scale) * int(height * scale), width * height)
        return kept, kept - canvas[0] * canvas[1]

    return max(canvases, key=suits)


def fitted(width: int, height: int, canvas: Size) -> Size:
    """The size to which an image is scaled to touch two sides of a canvas.

    Source: ``resize_and_pad_image`` of LLaVA-1.6.
    """
    across, down = canvas[0] / width, canvas[1] / height
    if across < down:
        return canvas[0], min(math.ceil(height * across), canvas[1])
    return min(math.ceil(width * down), canvas[0]), canvas[1]


def unpadded(grid: Grid, width: int, height: int) -> tuple[slice, slice]:
    """Rows and columns of a canvas's token grid that show the image and not the border around it.

    Very long images lose all of their rows or columns, as they do in the reference.

    Source: ``unpad_image`` of LLaVA-1.6. The Hub's class rounds to seven digits first, which gives a row or a
    column more for a few sizes.
    """
    if width / height > grid.cols / grid.rows:
        border = (grid.rows - int(height * (grid.cols / width))) // 2
        return slice(border, grid.rows - border), slice(0, grid.cols)
    border = (grid.cols - int(width * (grid.rows / height))) // 2
    return slice(0, grid.rows), slice(border, grid.cols - border)


def shrunk(rows: int, cols: int, limit: int) -> tuple[int, int]:
    """Rows and columns after scaling down to about ``limit`` tokens; unchanged where it is hardly exceeded.

    Source: ``anyres_max`` of LLaVA-OneVision.
    """
    times = math.sqrt(rows * cols / limit)
    if times <= _SHRINK_FROM:
        return rows, cols
    return max(1, int(rows // times)), max(1, int(cols // times))


def patch_grid(
    width: int, height: int, patch: int, most: int, *, multiple: int = 1, fill: bool = False
) -> Grid:
    """The patch grid that keeps an image's resolution and shape as well as a limit allows.

    Args:
        width: of the image in pixels.
        height: of the image in pixels.
        patch: pixels of a patch's side.
        most: patches allowed; at least ``multiple ** 2``.
        multiple: rows and columns are multiples of this.
        fill: enlarge a small image up to the limit.

    Source: with ``fill`` SigLIP 2's processor, the largest scale at which the rounded-up grid fits.
    """
    unit = patch * multiple

    def at(scale: float) -> Grid:
        return Grid(*(max(1, math.ceil(side * scale / unit)) * multiple for side in (height, width)))

    if not fill and at(1.0).cells <= most:
        return at(1.0)
    low, high = 0.0, _LARGEST_SCALE if fill else 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if at(middle).cells <= most else (low, middle)
    return at(low)
