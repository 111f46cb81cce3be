"""COCO's three ways of writing a mask: polygons, run lengths, and run lengths packed into text."""

from __future__ import annotations

import math
from typing import Any

from data_builders.readers.fields import RowError
from data_builders.scenes import Mask


def mask_of(segmentation: Any, size: tuple[int, int]) -> Mask | None:
    """The mask of an annotation; None where it has none.

    Args:
        segmentation: polygons as flat lists of x and y, or an object with ``size`` and ``counts``.
        size: (width, height) of the image in pixels.

    Raises:
        RowError: if it is neither, or does not fit its size.
    """
    if not segmentation:
        return None
    if isinstance(segmentation, dict):
        return _runs(segmentation)
    if not isinstance(segmentation, list):
        raise RowError(f"the segmentation is a {type(segmentation).__name__}")
    for outline in segmentation:
        if not isinstance(outline, list) or len(outline) < 6 or len(outline) % 2:
            raise RowError("a polygon of the segmentation has no three points")
        if not _all_finite(outline):
            raise RowError("a polygon of the segmentation is not finite")
    return Mask(size[1], size[0], tuple(tuple(outline) for outline in segmentation))


def _all_finite(values: list[Any]) -> bool:
    try:
        return all(map(math.isfinite, values))
    except (TypeError, OverflowError):
        return False


def _runs(segmentation: dict[str, Any]) -> Mask:
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if not isinstance(size, list) or len(size) != 2 or not all(isinstance(side, int) for side in size):
        raise RowError("the segmentation's run lengths have no size")
    if isinstance(counts, str):
        counts = unpack_runs(counts)
    if not isinstance(counts, list) or not all(isinstance(run, int) and run >= 0 for run in counts):
        raise RowError("the segmentation's run lengths are no numbers")
    height, width = size
    if sum(counts) != height * width:
        raise RowError(f"the run lengths cover {sum(counts)} pixels of {height * width}")
    return Mask(height, width, counts=tuple(counts))


def unpack_runs(text: str) -> list[int]:
    """Run lengths out of COCO's text: six bits a character, differences to the run before the last one.

    Raises:
        RowError: if it is cut short or holds other characters.

    Source: the format of pycocotools' compressed RLE.
    """
    runs: list[int] = []
    value, shift = 0, 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise RowError("the packed run lengths hold a strange character")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value, shift = 0, 0
    if shift:
        raise RowError("the packed run lengths are cut short")
    return runs
