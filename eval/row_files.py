"""Rows of a file in any form that answers and benchmarks come in: JSON, JSON Lines, CSV, TSV, Excel."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from eval.json_files import read_text
from mmtune.errors import UserError

_ROW_LISTS = ("annotations", "data", "results", "answers", "predictions")
_MAPPINGS = ("imgToEval", "outputs")
_TABLES = {".csv": ",", ".tsv": "\t"}
_EXCEL = (".xlsx", ".xls")


def is_table(path: Path) -> bool:
    """Whether a file's rows are cells, which are all text, by its name."""
    return path.suffix.lower() in (*_EXCEL, *_TABLES)


def read_rows_of_any(path: Path) -> list[dict[str, Any]]:
    """Rows of a JSON, JSON Lines, CSV, TSV or Excel file; for an object of ids each with its id under ``id``.

    Raises:
        UserError: for a file that cannot be read.
    """
    if path.suffix.lower() in _EXCEL:
        return list(_excel(path))
    if path.suffix.lower() in _TABLES:
        return read_table(path, _TABLES[path.suffix.lower()])
    text = read_text(path)
    if not text.strip():
        raise UserError("The file is empty", str(path), "check the path")
    if text.lstrip()[0] not in "[{":
        raise UserError("The file is neither JSON nor a table", str(path), "give the benchmark's answer file")
    rows = _json_rows(text, path)
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise UserError(
                f"Row {number} is not a JSON object", str(path), "give the benchmark's answer file"
            )
    return rows


def read_table(path: Path, divider: str) -> list[dict[str, Any]]:
    """Rows of a CSV or TSV file with a line of headings.

    Raises:
        UserError: if it cannot be read, or a row has more cells than there are headings.
    """
    text = read_text(path)
    csv.field_size_limit(sys.maxsize)  # images stand in the tables as base64
    try:
        rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=divider))
    except csv.Error as error:
        raise UserError(f"The table cannot be read: {error}", str(path), "mend the file") from error
    for number, row in enumerate(rows, start=2):
        if None in row:
            raise UserError(
                f"Line {number} has more cells than there are headings", str(path), "mend the file"
            )
    return [{str(name): value if value is not None else "" for name, value in row.items()} for row in rows]


def _excel(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of the first sheet; an empty cell is an empty text, a number is written as it shows, and what
    looks like a formula is the text that it is."""
    try:
        import openpyxl
    except ModuleNotFoundError as error:
        raise UserError(
            "Excel files need openpyxl", str(path), "pip install 'mmtune[excel]', or give a TSV file"
        ) from error
    try:
        book = openpyxl.load_workbook(path, read_only=True)
    except OSError as error:
        raise UserError(
            f"The file cannot be read: {error.strerror or error}", str(path), "check the path"
        ) from error
    except Exception as error:
        raise UserError(f"This is no Excel file: {error}", str(path), "check the path") from error
    rows = book.worksheets[0].iter_rows(values_only=True)
    headings = [str(name) for name in next(rows, ())]
    for row in rows:
        if any(cell is not None for cell in row):
            yield {name: _cell(value) for name, value in zip(headings, row, strict=False)}
    book.close()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _json_rows(text: str, path: Path) -> list[Any]:
    if text.lstrip().startswith("["):
        rows = _parse(text, path)
        return rows if isinstance(rows, list) else [rows]
    first, _, rest = text.lstrip().partition("\n")
    if _complete(first) and (rest.strip() or _is_row(first)):
        return [
            _parse(line, path, number)
            for number, line in enumerate(text.split("\n"), start=1)
            if line.strip()
        ]
    return _object_rows(_parse(text, path), path)


def _object_rows(value: Mapping[str, Any], path: Path) -> list[Any]:
    for name in _ROW_LISTS:
        if isinstance(value.get(name), list):
            return list(value[name])
    for name in _MAPPINGS:
        if isinstance(value.get(name), dict):
            return _object_rows(value[name], path)
    return [
        {"id": identity, **answer} if isinstance(answer, dict) else {"id": identity, "answer": answer}
        for identity, answer in value.items()
    ]


def _parse(text: str, path: Path, line: int | None = None) -> Any:
    try:
        return json.loads(text, object_pairs_hook=None if text.startswith("[") else _no_doubles)
    except json.JSONDecodeError as error:
        place = f"line {line or error.lineno}, column {error.colno}"
        raise UserError(f"Malformed JSON: {error.msg}", f"{path}, {place}", "mend the file") from error
    except _DoubledError as error:
        raise UserError(f"The id {error} stands in the answer file twice", str(path), "keep one") from error
    except RecursionError as error:
        raise UserError(
            "The JSON is nested too deeply", str(path), "give the benchmark's answer file"
        ) from error


class _DoubledError(Exception):
    """A key that an object has twice."""


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise _DoubledError(next(name for name in names if names.count(name) > 1))
    return made


def _complete(line: str) -> bool:
    """Whether a line is a whole JSON object, so that the file is JSON Lines."""
    try:
        return isinstance(json.loads(line), dict)
    except (json.JSONDecodeError, RecursionError):
        return False


def _is_row(line: str) -> bool:
    """Whether a file of one line is one row, and not an object of ids: a row has several kinds of values, or
    names such as ``answer``."""
    names = json.loads(line)
    return bool({"answer", "prediction", "text", "response", "caption"} & set(names)) and not any(
        isinstance(value, dict | list) for name, value in names.items() if name in _ROW_LISTS + _MAPPINGS
    )
