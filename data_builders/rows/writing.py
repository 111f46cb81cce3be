"""Files that appear whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from data_builders.problems import Problem
from data_builders.rows.reading import Row
from mmtune.errors import UserError


@contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Say in one sentence why a file or folder cannot be written.

    Raises:
        UserError: for every OSError inside the block.
    """
    try:
        yield
    except OSError as error:
        raise UserError(
            f"the output cannot be written: {error.strerror or error}",
            str(error.filename or path),
            "check its folder and the space left on its disk",
        ) from error


def to_line(value: Any) -> bytes:
    """JSON in one line of UTF-8.

    Raises:
        UserError: it holds NaN or an infinity, with which no reader would take it.
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which only JSON's own escapes can spell
        return json.dumps(value, allow_nan=False).encode()
    except ValueError as error:
        what = f"a row holds NaN or an infinity, which JSON has not: {str(value)[:80]}"
        raise UserError(what, fix="leave the number out, or write null") from error


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
        with writing_to(self.path):
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
        with writing_to(self.path):
            self._file.write(opening + text + (b"" if self._listed else b"\n"))
        self.count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file is not None
        with writing_to(self.path):
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
    """Write problems, dataclasses or mappings as JSON Lines, whole or not at all; gives their number.

    Raises:
        UserError: if the suffix is not ``.jsonl`` or ``.json``.
    """
    with RowWriter(path) as out:
        for row in rows:
            if isinstance(row, Problem):
                out.write(row.to_json())
            else:
                out.write(row if isinstance(row, dict) else asdict(row))
    return out.count


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, and down to the disk; its folder is made where it is absent.

    Raises:
        UserError: it cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with writing_to(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
