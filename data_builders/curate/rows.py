"""Rows of a file of records, one at a time, each with what is wrong with it instead of a stop."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from mmtune.errors import RecordError, UserError
from mmtune.records import Record, parse_llava

MAX_ROW_BYTES = 16 * 2**20
"""Longest row that is read into memory; a longer one is reported and skipped."""
BLOCK_ROWS = 512
"""Rows that go to a worker together."""

_BOM = b"\xef\xbb\xbf"
_CHUNK = 2**20
_HEAD = 4096
_SPACE = " \t\r\n"


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


# Made once: json.loads with an option of its own would make one for every row.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one row."""

    row: int
    """Zero-based row in its file; blank lines do not count."""
    id: str
    """The record's id, "?" where the row cannot be read so far."""
    reason: str

    def __str__(self) -> str:
        return f"row {self.row}, record {self.id!r}: {self.reason}"


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


def problem_of(error: UserError, row: int, record_id: str = "?") -> Problem:
    """The problem that an error tells of a row."""
    if isinstance(error, RecordError):
        return Problem(row, error.record_id if error.record_id != "?" else record_id, error.reason)
    return Problem(row, record_id, f"{error.what} ({error.where})" if error.where else error.what)


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
            head = file.read(_HEAD).removeprefix(_BOM).lstrip()
            file.seek(0)
            if file.read(len(_BOM)) != _BOM:
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


def to_line(value: Any) -> bytes:
    """JSON in one line of UTF-8."""
    try:
        return json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which only JSON's own escapes can spell
        return json.dumps(value).encode()


class RowWriter:
    """Writes rows as they came, as a JSON list (``.json``) or JSON Lines (``.jsonl``), whole or not at all.

    Use it as a context manager; the file appears when the block ends without an error.

    Args:
        path: the file; its folder is made where it is absent.

    Raises:
        UserError: another suffix.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.count = 0
        if self.path.suffix not in (".json", ".jsonl"):
            raise UserError(
                "records are written as .json or .jsonl", str(path), "choose one of these suffixes"
            )
        self._listed = self.path.suffix == ".json"
        self._partial = self.path.with_name(f".{self.path.name}.{os.getpid()}.partial")
        self._file: IO[bytes] | None = None

    def __enter__(self) -> RowWriter:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._partial.open("wb")
        return self

    def write(self, row: Row | dict[str, Any]) -> None:
        """Append one row; a row of a file keeps its bytes unless it runs over several lines."""
        assert self._file is not None
        if isinstance(row, dict):
            text = to_line(row)
        else:
            text = row.text.strip()
            if b"\n" in text or b"\r" in text:
                text = to_line(row.value())
        opening = (b",\n" if self.count else b"[\n") if self._listed else b""
        self._file.write(opening + text + (b"" if self._listed else b"\n"))
        self.count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file is not None
        try:
            if kind is None:
                self._file.write(b"" if not self._listed else b"\n]\n" if self.count else b"[]\n")
                self._file.flush()
                os.fsync(self._file.fileno())
            self._file.close()
            if kind is None:
                self._partial.replace(self.path)
        finally:
            self._file.close()
            self._partial.unlink(missing_ok=True)


def write_rows(path: str | Path, rows: Iterable[Any]) -> int:
    """Write dataclasses or mappings as JSON Lines, whole or not at all; gives their number.

    Raises:
        UserError: if the suffix is not ``.jsonl`` or ``.json``.
    """
    with RowWriter(path) as out:
        for row in rows:
            out.write(row if isinstance(row, dict) else asdict(row))
    return out.count


def _line_rows(file: IO[bytes], limit: int) -> Iterator[Row]:
    number = place = 0
    while line := file.readline(limit + 1):
        place += 1
        if len(line) > limit and not line.endswith(b"\n"):
            size = len(line) + _skip_line(file)
            yield Row(number, b"", f"the row has {size:,} bytes, more than the {limit:,} allowed", place)
            number += 1
        elif text := line.strip():
            yield Row(number, text, None, place, line.index(text[:1]) + 1)
            number += 1


def _skip_line(file: IO[bytes]) -> int:
    """Read to the end of the line without keeping it; gives the bytes before the newline."""
    skipped = 0
    while part := file.readline(_CHUNK):
        skipped += len(part)
        if part.endswith(b"\n"):
            return skipped - 1
    return skipped


def _list_rows(file: IO[bytes], path: Path, limit: int) -> Iterator[Row]:
    """Items of a JSON list, found by a scanner that sees only a window of the file."""
    window = _Window(file, path, limit)
    window.expect("[")
    number = 0
    if window.next_mark() == "]":
        window.position += 1
    else:
        while True:
            line, column = window.place()
            yield Row(number, window.item(number), None, line, column)
            number += 1
            mark = window.next_mark()
            window.position += 1
            if mark == "]":
                break
            if mark != ",":
                window.position -= 1
                raise window.malformed("Expecting ',' or ']'", window.position)
            window.next_mark()
    if mark := window.next_mark():
        raise window.malformed(f"Extra data {mark!r} behind the list", window.position)


class _Window:
    """A part of a file as Latin-1: one character is one byte, and JSON's marks are those of UTF-8."""

    def __init__(self, file: IO[bytes], path: Path, limit: int) -> None:
        self._file = file
        self._path = path
        self._limit = limit
        self._scan = json.JSONDecoder().raw_decode
        self._line, self._column, self._marked = 1, 0, 0
        self.text = ""
        self.position = 0

    def _more(self, size: int = _CHUNK) -> bool:
        """Forget what was read already and append what comes next; False at the end of the file."""
        self.place()
        new = self._file.read(size).decode("latin-1")
        self.text, self.position, self._marked = self.text[self.position :] + new, 0, 0
        return bool(new)

    def place(self) -> tuple[int, int]:
        """Line and column of the position, counted from 1."""
        self._line, self._column = self._place_of(self.position)
        self._marked = self.position
        return self._line, self._column + 1

    def _place_of(self, position: int) -> tuple[int, int]:
        passed = self.text[self._marked : position]
        if newlines := passed.count("\n"):
            return self._line + newlines, len(passed) - passed.rfind("\n") - 1
        return self._line, self._column + len(passed)

    def next_mark(self) -> str:
        """The next character that is no white space, without passing it; empty at the end of the file."""
        while True:
            while self.position < len(self.text):
                if self.text[self.position] not in _SPACE:
                    return self.text[self.position]
                self.position += 1
            if not self._more():
                return ""

    def expect(self, mark: str) -> None:
        """Pass ``mark``, or refuse the file."""
        if self.next_mark() != mark:
            raise self.malformed(f"Expecting {mark!r}", self.position)
        self.position += 1

    def item(self, number: int) -> bytes:
        """The bytes of the JSON value that starts here; passes it."""
        chunk = _CHUNK
        while True:
            try:
                _, end = self._scan(self.text, self.position)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated string") or error.pos >= len(self.text) - 16
                if not cut:
                    raise self.malformed(error.msg, error.pos) from error
                if len(self.text) - self.position > self._limit:
                    raise UserError(
                        f"row {number} has more than the {self._limit:,} bytes allowed",
                        str(self._path),
                        "shorten it, or write the file as JSON Lines, where a long row can be skipped",
                    ) from error
                place = error.pos - self.position
                if not self._more(chunk):
                    raise self.malformed(error.msg, self.position + place) from error
                chunk *= 2  # so that a long row is scanned a few times and not once a chunk
                continue
            except RecursionError as error:
                raise self.malformed("the value is nested too deeply", self.position) from error
            length = end - self.position
            # A number may go on in the next chunk.
            if end == len(self.text) and self.text[end - 1] not in "}]" and self._more():
                continue
            self.position, start = self.position + length, self.position
            return self.text[start : self.position].encode("latin-1")

    def malformed(self, reason: str, position: int) -> UserError:
        """The error that names line and column of a position in the window."""
        line, column = self._place_of(position)
        where = f"{self._path}, line {line}, column {column + 1}"
        return UserError(f"Malformed JSON: {reason}", where, "mend the file there")


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
