"""Earlier turns and several images, as rows of our own forms hold them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmtune.errors import UserError


def history_of(row: Mapping[str, Any], path: Path, number: int) -> tuple[tuple[str, str], ...]:
    """What was said before, from a row's ``history``: pairs of what the user said and what was answered.

    Raises:
        UserError: if it is something else.
    """
    given = row.get("history") or []
    pairs = isinstance(given, list) and all(isinstance(one, list) and len(one) == 2 for one in given)
    if not pairs or not all(isinstance(text, str) for one in given for text in one):
        raise UserError(f"The history of row {number} is not pairs of question and answer", str(path))
    return tuple((user, assistant) for user, assistant in given)


def images_of(row: Mapping[str, Any], path: Path, number: int) -> tuple[str, ...]:
    """The row's ``images``, or its one ``image``, or none.

    Raises:
        UserError: if they are no texts.
    """
    given = row.get("images") or [row["image"]] if row.get("image") or row.get("images") else []
    if not isinstance(given, list) or not all(isinstance(one, str) and one for one in given):
        raise UserError(f"The images of row {number} are no list of paths", str(path), "mend the row")
    return tuple(given)
