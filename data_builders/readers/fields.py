"""From the values that strangers wrote to the values of a scene, or the reason why not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from data_builders.frames import Box, Layout, to_xyxy
from data_builders.problems import shortened

_LONGEST_SIDE = 1 << 31
"""Pixels; no image format has a longer one."""


class RowError(ValueError):
    """Why a row cannot be used; a reader turns it into a problem with the row's id.

    Args:
        reason: as the start of a sentence.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def text_of(value: Any, what: str) -> str:
    """Text with single spaces and none around it.

    Args:
        value: what stands in the row.
        what: its name in a reason, as "caption".

    Raises:
        RowError: if it is missing, no text, empty, or cannot be written as UTF-8.
    """
    if not isinstance(value, str):
        raise RowError(
            f"there is no {what}" if value is None else f"the {what} is no text: {shortened(value)}"
        )
    text = " ".join(value.split())
    if not text:
        raise RowError(f"the {what} is empty")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RowError(f"the {what} holds half of a surrogate pair") from error
    return text


def name_of(value: Any, what: str = "name") -> str:
    """The name of a class or an attribute: text in lower case; raises as :func:`text_of`."""
    return text_of(value, what).lower()


def id_of(row: Any, *keys: str) -> str:
    """The id under the first of the keys that the row has.

    Raises:
        RowError: if it is no object or has none, or the id is neither a whole number nor a text.
    """
    if not isinstance(row, Mapping):
        raise RowError("it is not an object")
    value = first_of(row, *keys)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise RowError(f"there is no {keys[0]}" if value is None else f"{keys[0]} is {shortened(value)}")
    try:
        str(value).encode()
    except UnicodeEncodeError as error:
        raise RowError(f"{keys[0]} holds half of a surrogate pair") from error
    return str(value)


def first_of(row: Mapping[str, Any], *keys: str) -> Any:
    """The value under the first of the keys that the row has; None where it has none."""
    for key in keys:
        if row.get(key) is not None:
            return row[key]
    return None


def row_name(kind: str, row: Any, *keys: str, index: int | None = None) -> str:
    """How a report calls a row: by its id, or by its number in the file where it has none."""
    if isinstance(row, Mapping):
        value = first_of(row, *keys)
        if value is not None:
            return f"{kind} {shortened(value).strip(chr(39))}"
    return kind if index is None else f"{kind} number {index}"


def size_of(row: Mapping[str, Any]) -> tuple[int, int]:
    """(width, height) in pixels as the row gives them; (0, 0) where it does not.

    Raises:
        RowError: if they are no positive numbers.
    """
    width, height = row.get("width"), row.get("height")
    if width is None and height is None:
        return 0, 0
    for value in (width, height):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < _LONGEST_SIDE:
            raise RowError(f"the image's size is {shortened(width)} x {shortened(height)}")
    assert width is not None and height is not None
    return int(width), int(height)


def rows_of(value: Any, what: str) -> list[Any]:
    """The items of a list; an absent list is empty.

    Raises:
        RowError: if it is no list.
    """
    if value is None:
        return []
    if not isinstance(value, list):
        raise RowError(f"{what} is a {type(value).__name__}, not a list")
    return value


def box_of(values: Any, layout: Layout, size: tuple[int, int], slack: float = 1.0) -> tuple[Box, bool]:
    """A box inside its image, as left, top, right, bottom.

    Args:
        values: four numbers in pixels.
        layout: their order.
        size: (width, height) of the image in pixels; (0, 0), unknown, leaves the box as it is.
        slack: pixels by which a box may be over the border through rounding alone.

    Returns:
        The box, cut at the image's border, and whether more than the slack was cut off.

    Raises:
        RowError: if these are not four finite numbers, or the box is inverted, has no area or is outside.
    """
    numbers = list(values) if isinstance(values, list | tuple) else []
    if len(numbers) != 4 or any(isinstance(v, bool) or not isinstance(v, int | float) for v in numbers):
        raise RowError(f"the box is not four numbers: {shortened(values)}")
    a, b, c, d = numbers
    # Finite numbers may have a sum that is not.
    if not _are_finite(numbers) or not _are_finite(box := to_xyxy((a, b, c, d), layout)):
        raise RowError(f"the box is not finite: {shortened(values)}")
    x0, y0, x1, y1 = box
    if x1 <= x0 or y1 <= y0:
        inverted = x1 < x0 or y1 < y0
        raise RowError(f"the box {'is inverted' if inverted else 'has no area'}: {shortened(values)}")
    width, height = size
    if not width or not height:
        return box, False
    if x0 >= width or y0 >= height or x1 <= 0 or y1 <= 0:
        raise RowError(f"the box is outside the image of {width} x {height}: {shortened(values)}")
    inside = (max(x0, 0), max(y0, 0), min(x1, width), min(y1, height))
    return inside, any(abs(one - other) > slack for one, other in zip(box, inside, strict=True))


def _are_finite(numbers: Iterable[float]) -> bool:
    try:
        return all(map(math.isfinite, numbers))
    except OverflowError:  # a whole number that no float can hold
        return False


def complete(
    claimed: Iterable[str], doubtful: Iterable[str], *, unknown_lost: bool = False
) -> frozenset[str]:
    """Classes that are still annotated in full once rows were left out.

    Args:
        claimed: classes that the annotation covers exhaustively.
        doubtful: classes of which an object was left out, or stands for several.
        unknown_lost: whether an object was left out whose class is not known, which could be any.
    """
    return frozenset() if unknown_lost else frozenset(claimed) - frozenset(doubtful)
