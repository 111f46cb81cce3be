"""What the files that benchmarks publish hold, and where answers to them go."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.tasks.base import Item
from mmtune.errors import UserError

_NUMBER_AT_END = re.compile(r"(\d+)\.(?:jpe?g|png|webp)$", re.IGNORECASE)


def fields(row: Mapping[str, Any], names: Sequence[str], path: Path, number: int) -> list[Any]:
    """The named values of a row.

    Raises:
        UserError: naming the field that is not there, or if the row is no object.
    """
    if not isinstance(row, Mapping):
        raise UserError(f"Row {number} is not a JSON object", str(path), "check the path")
    for name in names:
        if name not in row:
            raise UserError(
                f"Row {number} has no {name!r}", str(path), "check that it is the benchmark's own file"
            )
    return [row[name] for name in names]


def section(value: Any, name: str, path: Path) -> list[dict[str, Any]]:
    """The list under ``name`` of an official file.

    Raises:
        UserError: if it is not there.
    """
    found = value.get(name) if isinstance(value, dict) else None
    if not isinstance(found, list):
        raise UserError(f"The file has no list {name!r}", str(path), "check the path")
    return found


def check_unique(items: Iterable[Item], path: Path) -> None:
    """Refuse a file that holds an id twice, since answers are joined by id."""
    seen: set[str] = set()
    for item in items:
        if item.id in seen:
            raise UserError(f"The id {item.id} stands in the file twice", str(path), "remove one of the rows")
        seen.add(item.id)


STRUCTURE_ERRORS = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What reading a value of another shape than the benchmark's raises."""


def load_checked(load: Callable[[], list[Item]], where: str) -> list[Item]:
    """Items of a benchmark, or one sentence where its file is not as it is published.

    Args:
        load: ``load`` or ``load_truth`` of a task.
        where: the file, for the error.

    Raises:
        UserError: for any file that cannot be read as the benchmark's, or that holds an id twice.
    """
    advice = "check that it is the benchmark's own file"
    try:
        items = load()
    except STRUCTURE_ERRORS as error:
        told = " ".join(str(error).split())[:120]
        raise UserError(
            f"This is not the benchmark's file ({type(error).__name__}: {told})", where, advice
        ) from error
    for item in items:
        for name, value in (("image", item.image), ("question", item.question), *item.kinds.items()):
            if not isinstance(value, str):
                raise UserError(f"The {name} of item {item.id} is not text", where, advice)
    check_unique(items, Path(where))
    return items


def answers_path(folder: Path, name: str, suffix: str, complete: bool) -> Path:
    """``name.answers.jsonl``, or ``name.answers.partial.jsonl`` where some item has no answer.

    Without a suffix these are folders. The other of the two goes, so that no answers of an earlier run lie
    beside those of this one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    whole, partial = folder / f"{name}.answers{suffix}", folder / f"{name}.answers.partial{suffix}"
    path, other = (whole, partial) if complete else (partial, whole)
    if other.is_dir():
        shutil.rmtree(other)
    else:
        other.unlink(missing_ok=True)
    return path


class NumberedImages:
    """Finds the file of an image that the annotation only numbers.

    The file is looked up by the number at the end of its name, as in ``COCO_val2014_000000000042.jpg``; a
    file of the named COCO subset goes before others.

    Args:
        folder: the image folder.
        subset: COCO's name of the subset, as ``val2014``; may be empty.
    """

    def __init__(self, folder: Path, subset: str) -> None:
        if not folder.is_dir():
            raise UserError("There is no such image folder", str(folder), "give it with images=FOLDER")
        self._subset = subset
        self._names: dict[int, str] = {}
        for name in sorted(os.listdir(folder)):
            number = _NUMBER_AT_END.search(name)
            if number and (int(number[1]) not in self._names or f"_{subset}_" in name):
                self._names[int(number[1])] = name

    def name(self, image_id: int | str) -> str:
        """The file's name; COCO's own name where there is no such file, so that the error can say it."""
        found = self._names.get(int(image_id)) if str(image_id).isdigit() else str(image_id)
        return found or f"COCO_{self._subset or 'val2014'}_{int(image_id):012d}.jpg"
