"""Boxes: intersection over union, and how boxes are read out of replies (RefCOCO and its like)."""

from __future__ import annotations

import re
from collections.abc import Sequence

Box = Sequence[float]
"""Left, top, right, bottom."""

NO_BOX = (0.0, 0.0, 0.0, 0.0)
"""What a reply without a box counts as."""

_NUMBER = r"(-?\d+(?:\.\d+)?)"
_BRACKETED = re.compile(rf"\[\s*{_NUMBER},\s*{_NUMBER},\s*{_NUMBER},\s*{_NUMBER}\s*\]")
_LOOSE = r"(-?(?:\d+(?:\.\d*)?|\.\d+))"
_PAIRS = re.compile(rf"\(\s*{_LOOSE}\s*,\s*{_LOOSE}\s*\)\s*,?\s*\(\s*{_LOOSE}\s*,\s*{_LOOSE}\s*\)")


def iou(box_a: Box, box_b: Box) -> float | None:
    """Intersection over union of two boxes in the same frame, each left, top, right, bottom.

    Returns:
        0..1 for boxes whose corners are in order; None where the union has no area (two empty boxes), on
        which the common scripts divide by zero.

    Source: compute_iou of lmms-eval's RefCOCO task; there is no official script.
    """
    width = min(box_a[2], box_b[2]) - max(box_a[0], box_b[0])
    height = min(box_a[3], box_b[3]) - max(box_a[1], box_b[1])
    shared = max(0, width) * max(0, height)
    union = _area(box_a) + _area(box_b) - shared
    return shared / union if union else None


def box_right(predicted: Box, true: Box, threshold: float = 0.5) -> bool:
    """Whether the boxes overlap by at least ``threshold``; boxes without area never do."""
    overlap = iou(predicted, true)
    return overlap is not None and overlap >= threshold


def center_inside(predicted: Box, true: Box) -> bool:
    """Whether the centre of the predicted box lies in the true one, its border included."""
    x, y = (predicted[0] + predicted[2]) / 2, (predicted[1] + predicted[3]) / 2
    return bool(true[0] <= x <= true[2] and true[1] <= y <= true[3])


def parse_box(text: str) -> tuple[float, float, float, float]:
    """The first ``[x1, y1, x2, y2]`` of a reply as it stands, or ``NO_BOX``.

    A number must have a digit before its point, and there must be exactly four.

    Source: parse_float_sequence_within of lmms-eval's RefCOCO task; the form that LLaVA answers in.
    """
    return _numbers(_BRACKETED.search(text))


def parse_box_pairs(text: str, scale: float = 1000.0) -> tuple[float, float, float, float]:
    """The first ``(x1,y1),(x2,y2)`` of a reply, divided by ``scale``, or ``NO_BOX``: the form of Qwen-VL."""
    x1, y1, x2, y2 = _numbers(_PAIRS.search(text))
    return x1 / scale, y1 / scale, x2 / scale, y2 / scale


def _numbers(match: re.Match[str] | None) -> tuple[float, float, float, float]:
    if match is None:
        return NO_BOX
    x1, y1, x2, y2 = (float(number) for number in match.groups())
    return x1, y1, x2, y2


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
