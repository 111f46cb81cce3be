"""Reading and writing the files that benchmarks publish and take, with errors that name line and column."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.tasks.base import Item
from mmtune.errors import UserError

_NUMBER_AT_END = re.compile(r"(\d+)\.(?:jpe?g|png|webp)$", re.IGNORECASE)


def read_json(path: Path) -> Any:
    """A JSON file's value.

    Raises:
        UserError: if it is missing, not UTF-8 or malformed.
    """
    text = read_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise _malformed(path, error.lineno, error.colno, error.msg) from error
    except RecursionError as error:
        raise _nested(path) from error


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Objects of a JSON list or of a JSON Lines file, told apart by content.

    Raises:
        UserError: as ``read_json``, or if a row is not an object.
    """
    text = read_text(path)
    if text.lstrip().startswith("["):
        rows = read_json(path)
    else:
        rows = []
        # Not splitlines(): U+2028 and its like are ordinary characters inside a JSON string.
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                try:
                    rows.append(json.loads(line))
                except json.JSONDecodeError as error:
                    raise _malformed(path, number, error.colno, error.msg) from error
                except RecursionError as error:
                    raise _nested(path) from error
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise UserError(f"Row {number} is not a JSON object", str(path), "check the path")
    return rows


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


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file whole or not at all."""
    write_whole(path, [json.dumps(value, ensure_ascii=False)])


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a JSON Lines file whole or not at all."""
    write_whole(path, (json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


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


def read_text(path: Path) -> str:
    """A UTF-8 file's text, without its byte order mark.

    Raises:
        UserError: if it is missing or not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError("The file is not UTF-8 text", str(path), "convert it to UTF-8") from error
    except OSError as error:
        raise UserError(
            f"The file cannot be read: {error.strerror or error}", str(path), "check the path"
        ) from error


def _malformed(path: Path, line: int, column: int, reason: str) -> UserError:
    return UserError(f"Malformed JSON: {reason}", f"{path}, line {line}, column {column}", "mend the file")


def _nested(path: Path) -> UserError:
    return UserError("The JSON is nested too deeply", str(path), "check that it is the benchmark's own file")


def write_whole(path: Path, lines: Iterable[str]) -> None:
    """Write a UTF-8 file whole or not at all."""
    part = path.with_name(path.name + ".part")
    # Half a pair of UTF-16, which UTF-8 cannot write, becomes its escape: JSON reads it back as it was.
    with part.open("w", encoding="utf-8", errors="backslashreplace") as file:
        file.writelines(lines)
    os.replace(part, path)
