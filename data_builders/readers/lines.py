"""Lines of any length: JSON Lines and plain text, a bad line being one bad row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data_builders.problems import Problem, Report
from data_builders.rows.lines import raw_lines
from data_builders.rows.scanner import MAX_ITEM
from mmtune.errors import UserError


def stream_lines(path: Path, report: Report, *, longest: int = MAX_ITEM) -> Iterator[tuple[int, str]]:
    """Number (from 1) and text of each line that is not blank, without its end.

    A line that is too long is passed over without being held in memory; one that is not UTF-8 is not guessed
    at. Both are reported.

    Args:
        path: UTF-8 text, with or without a byte order mark.
        report: told about each line that is left out.
        longest: bytes, without the end of the line.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            for line in raw_lines(file, longest):
                name = f"line {line.number}"
                if line.too_long:
                    report(Problem(name, line.too_long, str(path)))
                    continue
                try:
                    yield line.number, line.text.rstrip(b"\r").decode()
                except UnicodeDecodeError as error:
                    reason = f"the text is not UTF-8: {error.reason} at byte {error.start}"
                    report(Problem(name, reason, str(path)))
    except OSError as error:
        raise UserError(
            f"the annotations cannot be read: {error.strerror or error}", str(path), "check the path"
        ) from error


def is_whole_text(value: Any) -> bool:
    """Whether every text inside a JSON value can be written as UTF-8: none holds half of a surrogate pair."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def stream_json_lines(path: Path, report: Report) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name of the line (for reports) and the object on it; other lines are reported."""
    for number, line in stream_lines(path, report):
        name = f"line {number}"
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            report(Problem(name, f"malformed JSON: {error.msg} at column {error.colno}", str(path)))
            continue
        except (ValueError, RecursionError) as error:
            report(Problem(name, f"JSON that cannot be decoded: {error}", str(path)))
            continue
        if ("\\ud" in line or "\\uD" in line) and not is_whole_text(row):
            report(Problem(name, "the text holds half of a surrogate pair", str(path)))
            continue
        if not isinstance(row, dict):
            report(Problem(name, f"the line holds a {type(row).__name__}, not an object", str(path)))
            continue
        yield name, row
