"""Rows of a file of records, one at a time, each with what is wrong with it instead of a stop."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from data_builders.rows.lines import BOM, raw_lines
from data_builders.rows.scanner import Scanner
from mmtune.errors import RecordError, UserError
from mmtune.records import Record, parse_llava

MAX_ROW_BYTES = 16 * 2**20
"""Longest row that is read into memory; a longer one is reported and skipped."""
BLOCK_ROWS = 512
"""Rows that go to a worker together."""

_HEAD = 4096


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


# Made once: json.loads with an option of its own would make one for every row.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it stands in the file."""

    number: int
    """Zero-based; blank lines do not count."""
    text: bytes
    """Its JSON, empty where ``reason`` says why it was not read."""
    reason: str | None = None
    line: int = 1
    """Line of the file in which it starts, counted from 1."""
    column: int = 1
    """Column in which it starts, counted from 1, in bytes."""

    def value(self) -> Any:
        """The decoded JSON.

        Raises:
            RecordError: the row was not read, is not UTF-8, not JSON, or holds NaN or an infinity.
        """
        if self.reason is not None:
            raise RecordError(self.reason, row=self.number)
        try:
            return _DECODER.decode(self.text.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise RecordError(
                f"the row is not UTF-8 ({self._place(error.start)})", _id_in(self.text), self.number
            ) from error
        except json.JSONDecodeError as error:
            raise RecordError(
                f"malformed JSON: {error.msg} ({self._place(error.pos)})", _id_in(self.text), self.number
            ) from error
        except (ValueError, RecursionError) as error:
            raise RecordError(f"JSON that cannot be used: {error}", _id_in(self.text), self.number) from error

    def _place(self, offset: int) -> str:
        """Line and column of an offset in the row."""
        before = self.text[:offset]
        newlines = before.count(b"\n")
        column = offset - before.rfind(b"\n") if newlines else self.column + offset
        return f"line {self.line + newlines}, column {column}"

    def record(self) -> Record:
        """The record that the row holds.

        Raises:
            RecordError: the row cannot be decoded, or ``parse_llava`` refuses it.
        """
        return parse_llava(self.value(), self.number)


def iter_rows(path: str | Path, max_row_bytes: int = MAX_ROW_BYTES) -> Iterator[Row]:
    """Read a JSON list or JSON Lines (told apart by content) in memory bounded by its longest row.

    Args:
        path: the file.
        max_row_bytes: a longer line is not read but reported in its row's ``reason``.

    Raises:
        UserError: the file cannot be read, holds no rows, or is a list that is malformed (with line and
            column) or has a longer row, behind which the next cannot be found.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD).removeprefix(BOM).lstrip()
            while not head and (more := file.read(_HEAD)):  # a file that begins with pages of blank lines
                head = more.lstrip()
            file.seek(0)
            found = False
            if not head:
                raise UserError("the file is empty", str(path), "give a JSON list or JSON Lines of records")
            listed = head.startswith(b"[")
            if not listed and not any(line.lstrip().startswith(b"{") for line in head.splitlines()):
                raise UserError(
                    "The file is not a JSON list of records", str(path), "give a list, or an object a line"
                )
            for row in _list_rows(file, path, max_row_bytes) if listed else _line_rows(file, max_row_bytes):
                found = True
                yield row
    except OSError as error:
        raise UserError(
            f"the file cannot be read: {error.strerror or error}", str(path), "check the path"
        ) from error
    if not found:
        raise UserError("the file holds no records", str(path), "give a JSON list or JSON Lines of records")


def iter_blocks(
    path: str | Path, rows: int = BLOCK_ROWS, max_row_bytes: int = MAX_ROW_BYTES
) -> Iterator[list[Row]]:
    """The rows of a file in blocks of ``rows``, for the engines; a block's size in bytes is bounded, too."""
    block: list[Row] = []
    size = 0
    for row in iter_rows(path, max_row_bytes):
        block.append(row)
        size += len(row.text)
        if len(block) == rows or size > max_row_bytes:
            yield block
            block, size = [], 0
    if block:
        yield block


def _line_rows(file: BinaryIO, longest: int) -> Iterator[Row]:
    for number, (place, line, too_long) in enumerate(raw_lines(file, longest)):
        text = line.strip()
        yield Row(number, text, too_long or None, place, line.index(text[:1]) + 1)


def _list_rows(file: BinaryIO, path: Path, longest: int) -> Iterator[Row]:
    """Items of a JSON list, found by a scanner that sees only a window of the file."""
    for item in Scanner(file, path, longest).top(lambda key: False):
        yield Row(item.place, item.text.encode("latin-1"), None, item.line, item.column)


def _id_in(text: bytes) -> str:
    """The id that seems to stand in a row that cannot be decoded, for its report."""
    _, found, rest = text[:4096].partition(b'"id"')
    if not found:
        return "?"
    value = rest.lstrip(b" :\t")
    if value[:1] == b'"':
        return value[1:].partition(b'"')[0][:80].decode("utf-8", "replace") or "?"
    digits = value.partition(b",")[0].strip(b" }\r\n")
    return digits.decode("ascii") if digits.isdigit() else "?"
