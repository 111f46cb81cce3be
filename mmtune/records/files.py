"""Files of LLaVA JSON: read row by row with the place of each mistake, written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mmtune.errors import RecordError, UserError
from mmtune.records.llava import parse_llava, to_llava
from mmtune.records.record import Record


def iter_llava(path: str | Path) -> Iterator[tuple[int, Record | RecordError]]:
    """Read a file of LLaVA JSON (a list) or JSONL (one object a line); the content tells which, not the name.

    Yields:
        (row, record) or, for a record that must not be trained on, (row, the error to report).

    Raises:
        UserError: the file cannot be read, is not UTF-8, or is not JSON; with line and column.
    """
    for index, row in iter_rows(path):
        try:
            yield index, parse_llava(row, index)
        except RecordError as error:
            yield index, error


def iter_rows(path: str | Path) -> Iterator[tuple[int, Any]]:
    """Rows of a JSON list or of a JSONL file (blank lines skipped), decoded but not yet checked.

    Raises:
        UserError: as for ``iter_llava``.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            head = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
            file.seek(0)
            if not head.startswith(b"{"):
                rows = decode_json(file.read(), path)
                if not isinstance(rows, list):
                    raise UserError(
                        "The file is not a JSON list of records",
                        str(path),
                        "give a list, or an object a line",
                    )
                yield from enumerate(rows)
                return
            index = 0
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield index, decode_json(line.rstrip(b"\r\n"), path, line=number, row=index)
                    index += 1
    except OSError as error:
        raise UserError(f"Cannot read the file: {error.strerror}", str(path), "check the path") from error


def decode_json(data: bytes, path: str | Path, *, line: int = 1, row: int | None = None) -> Any:
    """Decode UTF-8 JSON, or say where it is wrong.

    Args:
        data: the bytes of a whole file or of one line.
        path: the file, for the message.
        line: number of the first line of ``data`` in the file, counted from 1.
        row: zero-based row in a JSONL file, for the message.

    Raises:
        UserError: with file, line, column and row.
    """

    def where(at_line: int, column: int) -> str:
        return f"{path}, line {line + at_line - 1}, column {column}" + ("" if row is None else f", row {row}")

    try:
        return json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        place = where(before.count(b"\n") + 1, error.start - before.rfind(b"\n"))
        raise UserError("The file is not UTF-8", place, "save it as UTF-8") from error
    except json.JSONDecodeError as error:
        what = f"Malformed JSON: {error.msg}" if data.strip() else "The file is empty"
        fix = "mend the file there" if row is None else "a line of JSONL holds one whole object"
        raise UserError(what, where(error.lineno, error.colno), fix) from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"JSON that cannot be decoded: {error}", where(1, 1)) from error


def write_llava(path: str | Path, records: Iterable[Record]) -> int:
    """Write records as a JSON list (``.json``) or as JSON lines (``.jsonl``), whole or not at all.

    Returns:
        The number of records written.

    Raises:
        UserError: as ``write_rows``.
    """
    return write_rows(path, map(to_llava, records))


def write_rows(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows as a JSON list (``.json``) or as JSON lines (``.jsonl``), whole or not at all.

    Returns:
        The number of rows written.

    Raises:
        UserError: another suffix, or the file cannot be written; what stood there before is then untouched.
    """
    path = Path(path)
    if path.suffix not in (".json", ".jsonl"):
        raise UserError("records are written as .json or .jsonl", str(path), "choose one of these suffixes")
    opening, between, closing = ("[\n", ",\n", "\n]\n") if path.suffix == ".json" else ("", "\n", "\n")
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    count = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("w", encoding="utf-8") as file:
            file.write(opening)
            for row in rows:
                file.write((between if count else "") + json.dumps(row, ensure_ascii=False))
                count += 1
            file.write(closing if count or opening else "")
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise UserError(
            f"Cannot write the file: {error.strerror}", str(path), "check its folder and the space left"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return count
