"""JSON and JSON Lines files: read with errors that name line and column, written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mmtune.errors import UserError


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


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file whole or not at all."""
    write_whole(path, [json.dumps(value, ensure_ascii=False)])


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a JSON Lines file whole or not at all."""
    write_whole(path, (json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def write_whole(path: Path, lines: Iterable[str]) -> None:
    """Write a UTF-8 file whole or not at all."""
    part = path.with_name(path.name + ".part")
    # Half a pair of UTF-16, which UTF-8 cannot write, becomes its escape: JSON reads it back as it was.
    with part.open("w", encoding="utf-8", errors="backslashreplace") as file:
        file.writelines(lines)
    os.replace(part, path)
