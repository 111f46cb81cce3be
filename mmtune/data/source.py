"""Random access to the records of one file, holding only the place of each record in memory."""

from __future__ import annotations

import hashlib
import json
import os
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from mmtune.data.config import SourceConfig
from mmtune.errors import RecordError, UserError
from mmtune.records import Record, decode_json, parse_llava

_BOM = b"\xef\xbb\xbf"
_SPACE = " \t\r\n"


class Source(Protocol):
    """Records by index; what a mixture draws from."""

    path: Path
    image_root: Path
    fingerprint: str

    def __len__(self) -> int: ...

    def row(self, index: int) -> int:
        """Zero-based row of the record in its file."""

    def record(self, index: int) -> Record:
        """The record; raises RecordError where its row cannot be used."""

    def record_id(self, index: int) -> str:
        """The record's id, even of most that cannot be used; "?" where the row cannot be read."""


class JsonSource:
    """A JSON list or JSON Lines file in LLaVA's format, told apart by content.

    Only byte ranges are kept, so the object is small to send to another process, and reading is safe from
    several processes and threads at once.

    Args:
        config: the file and its image root.

    Raises:
        UserError: if the file is missing or empty, or a JSON list is malformed (with line and column); if the
            image root does not exist.
    """

    def __init__(self, config: SourceConfig) -> None:
        self.path = Path(config.path)
        self.image_root = Path(config.image_root) if config.image_root is not None else self.path.parent
        with self._opened() as file:
            self._stamp = _stamp(file)
            self.fingerprint, lines = _look_through(file)
        if not self.image_root.is_dir():
            raise UserError(
                "the image root does not exist",
                str(self.image_root),
                f"set image_root of the data source {self.path} to the folder that holds its images",
            )
        ranges = self._list_ranges() if lines is None else lines
        if not len(ranges):
            raise UserError(
                "the file holds no records", str(self.path), "give a JSON list or JSON Lines of records"
            )
        self._ranges = ranges

    def _list_ranges(self) -> np.ndarray:
        """Byte ranges of the items of a list, which is in memory meanwhile."""
        with self._opened() as file:
            self._demand_unchanged(file)
            file.seek(0)
            content = file.read()
        return _list_ranges(content, len(_BOM) if content.startswith(_BOM) else 0, self.path)

    def __len__(self) -> int:
        return len(self._ranges)

    def row(self, index: int) -> int:
        """Zero-based row of the record in its file: the index itself."""
        return index

    def raw(self, index: int) -> Any:
        """The row's JSON value.

        Raises:
            RecordError: if the row is not JSON (with line and column), which JSON Lines show only now.
            UserError: if the file is gone or holds something else by now.
        """
        start, end = (int(place) for place in self._ranges[index])
        with self._opened() as file:
            self._demand_unchanged(file)
            file.seek(start)
            content = file.read(end - start)
            try:
                return json.loads(content)
            except (ValueError, RecursionError):
                file.seek(0)
                before = file.read(start)
                line = before.count(b"\n") + 1
                # In place of what stands before the row in its line, so that columns are the file's.
                content = b" " * (start - 1 - before.rfind(b"\n")) + content
        try:
            return decode_json(content, self.path, line=line)
        except UserError as error:
            raise RecordError(f"{error.what} ({error.where})", row=index) from error

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        """The file, with a failure to read it in one sentence."""
        try:
            with self.path.open("rb") as file:
                yield file
        except OSError as error:
            raise UserError(
                f"the records' file cannot be read: {error.strerror or error}",
                str(self.path),
                "check the path of this data source",
            ) from error

    def _demand_unchanged(self, file: BinaryIO) -> None:
        """Refuse a file that was rewritten, in which the kept byte ranges would cut other records."""
        stamp = _stamp(file)
        if stamp == self._stamp:
            return
        if hashlib.sha256(file.read()).hexdigest() != self.fingerprint:
            raise UserError(
                "the records' file was changed while it was in use",
                str(self.path),
                "put the old file back, or start again",
            )
        self._stamp = stamp

    def record(self, index: int) -> Record:
        """The record of a row.

        Raises:
            RecordError: if the row cannot be used.
        """
        return parse_llava(self.raw(index), index)

    def record_id(self, index: int) -> str:
        """The id that :meth:`record` gives, "?" where the row cannot be read."""
        try:
            return self.record(index).id
        except RecordError as error:
            return error.record_id


def _stamp(file: BinaryIO) -> tuple[int, int]:
    """What changes when somebody writes to a file: its size and its time."""
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns


class Subset:
    """Some records of a source, in the given order.

    Args:
        source: where the records are.
        indices: which of them.
    """

    def __init__(self, source: Source, indices: Sequence[int] | np.ndarray) -> None:
        self.source = source
        self.indices = np.asarray(indices, dtype=np.int64)
        self.path = source.path
        self.image_root = source.image_root
        self.fingerprint = hashlib.sha256(source.fingerprint.encode() + self.indices.tobytes()).hexdigest()

    def __len__(self) -> int:
        return len(self.indices)

    def row(self, index: int) -> int:
        """Zero-based row of the record in its file."""
        return self.source.row(int(self.indices[index]))

    def record(self, index: int) -> Record:
        """The record; raises RecordError where its row cannot be used."""
        return self.source.record(int(self.indices[index]))

    def record_id(self, index: int) -> str:
        """The id as the file gives it."""
        return self.source.record_id(int(self.indices[index]))


def _look_through(file: BinaryIO) -> tuple[str, np.ndarray | None]:
    """The sha256 of a file, and the byte ranges (records, 2) of its lines that are not blank.

    One line is in memory at a time, because every process of a run opens its files at once. None instead of
    the ranges where the first line is no object.
    """
    found = hashlib.sha256()
    ranges = array("q")
    is_lines: bool | None = None
    place = 0
    for line in file:
        found.update(line)
        text = line if place else line.removeprefix(_BOM)
        if is_lines is not False and text and not text.isspace():
            is_lines = text.lstrip().startswith(b"{") if is_lines is None else is_lines
            if is_lines:
                ranges.extend((place + len(line) - len(text), place + len(line.removesuffix(b"\n"))))
        place += len(line)
    return found.hexdigest(), np.array(ranges, dtype=np.int64).reshape(-1, 2) if is_lines else None


def _list_ranges(content: bytes, start: int, path: Path) -> np.ndarray:
    """Byte ranges (records, 2) of the items of a JSON list.

    Raises:
        UserError: where the list is malformed, with line and column.
    """
    # Decoded as Latin-1, one character is one byte, and JSON's own marks are the same as in UTF-8.
    text = content.decode("latin-1")
    try:
        return np.array(list(_items(text, start)), dtype=np.int64).reshape(-1, 2)
    except (ValueError, RecursionError) as error:
        decode_json(content, path)  # Says in full where it is wrong; whole JSON that is no list passes.
        raise UserError(
            "the file is not a JSON list of records", str(path), "give a list, or an object a line"
        ) from error


def _items(text: str, position: int) -> Iterator[tuple[int, int]]:
    """Start and end of each item of the JSON list that begins at ``position``."""
    scan = json.JSONDecoder().raw_decode
    position = _skip(text, position)
    if text[position : position + 1] != "[":
        raise json.JSONDecodeError("Expecting '['", text, position)
    position = _skip(text, position + 1)
    if text[position : position + 1] == "]":
        position += 1
    else:
        while True:
            _, end = scan(text, position)
            yield position, end
            position = _skip(text, end)
            mark = text[position : position + 1]
            if mark not in (",", "]"):
                raise json.JSONDecodeError("Expecting ',' or ']'", text, position)
            position = _skip(text, position + 1)
            if mark == "]":
                break
    if _skip(text, position) != len(text):
        raise json.JSONDecodeError("Extra data", text, position)


def _skip(text: str, position: int) -> int:
    """The next position that holds no JSON white space."""
    while position < len(text) and text[position] in _SPACE:
        position += 1
    return position


def open_sources(configs: Sequence[SourceConfig], key: str) -> list[Source]:
    """Open the sources of a recipe.

    Args:
        configs: the sources.
        key: recipe key that lists them, for messages.

    Raises:
        UserError: if there are none, or one cannot be opened.
    """
    if not configs:
        raise UserError("no data source is given", key, "list at least one file of records")
    return [open_source(config) for config in configs]


def open_source(config: SourceConfig) -> Source:
    """Open a file of records, or a folder of shards.

    Raises:
        UserError: if it cannot be opened.
    """
    from mmtune.data.shards import ShardSource, is_shards

    return ShardSource(config) if is_shards(Path(config.path)) else JsonSource(config)


__all__ = ["JsonSource", "Source", "Subset", "open_source", "open_sources"]
