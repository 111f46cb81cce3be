"""Rows of a table, whatever holds it: a JSON list, JSON Lines, CSV, TSV or parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from data_builders.problems import Problem, Report
from data_builders.readers.lines import stream_json_lines, stream_lines
from data_builders.readers.streaming import stream_items
from data_builders.rows.scanner import MAX_ITEM
from mmtune.errors import UserError

TABLES = (".csv", ".tsv", ".txt")
PARQUET = ".parquet"
_DELIMITERS = "\t,|;"
_BATCH = 1024


def stream_rows(path: Path, report: Report) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Name (for reports) and content of each row; rows that are no objects are reported.

    Raises:
        UserError: the file cannot be read, or is malformed beyond its rows.
    """
    if path.suffix.lower() == PARQUET:
        yield from _parquet_rows(path)
    elif path.suffix.lower() in TABLES:
        yield from _table_rows(path, report)
    elif _begins(path) == b"{":
        yield from stream_json_lines(path, report)
    else:
        for item in stream_items(path):
            name = f"row {item.index}"
            if item.error or not isinstance(item.value, dict):
                report(Problem(name, item.error or "the row is not an object", str(path)))
                continue
            yield name, item.value


def delimiter_of(header: str) -> str:
    """What stands between the columns of a table's first line: the mark that is there most often."""
    return max(_DELIMITERS, key=header.count)


def _table_rows(path: Path, report: Report) -> Iterator[tuple[str, Mapping[str, Any]]]:
    gaps: list[bool] = []
    numbers: list[int] = []

    def noted(problem: Problem) -> None:
        gaps.append(bool(numbers))  # A quoted text may go over several lines, of which one is bad.
        report(problem)

    lines = stream_lines(path, noted)
    first = next(lines, None)
    if first is None:
        return
    delimiter = delimiter_of(first[1])
    header = [name.strip() for name in next(csv.reader([first[1]], delimiter=delimiter))]
    # The default of 128 KB a field would refuse a long caption; a line is bounded already.
    csv.field_size_limit(MAX_ITEM)

    def texts() -> Iterator[str]:
        for number, line in lines:
            numbers.append(number)
            yield line + "\n"

    # Only CSV quotes; in TSV a quotation mark is one of the text.
    table = (
        csv.reader(texts(), delimiter=delimiter)
        if delimiter == ","
        else csv.reader(texts(), delimiter=delimiter, quoting=csv.QUOTE_NONE)
    )
    while True:
        numbers.clear()
        gaps.clear()
        try:
            values = next(table)
        except StopIteration:
            return
        except csv.Error as error:
            report(Problem(f"line {numbers[0]}", f"the row cannot be read: {error}", str(path)))
            continue
        name = f"line {numbers[0]}" if len(numbers) == 1 else f"lines {numbers[0]}-{numbers[-1]}"
        reason = f"the row has {len(values)} columns, the header {len(header)}"
        if any(gaps):
            reason = "a line inside the row was left out"
        if any(gaps) or len(values) != len(header):
            report(Problem(name, reason, str(path)))
            continue
        yield name, {key: value.strip() for key, value in zip(header, values, strict=True)}


def _parquet_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise UserError(
            "reading parquet needs pyarrow", str(path), "pip install 'mmtune[parquet]'"
        ) from error
    number = 0
    try:
        with path.open("rb") as opened, ParquetFile(opened) as file:
            for batch in file.iter_batches(_BATCH):
                for row in batch.to_pylist():
                    yield f"row {number}", row
                    number += 1
    except (OSError, ArrowException) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise UserError(f"the parquet file cannot be read: {reason}", str(path), "fetch it again") from error


def _begins(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return io.BytesIO(file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()).read(1)
    except OSError as error:
        raise UserError(
            f"the annotations cannot be read: {error.strerror or error}", str(path), "check the path"
        ) from error
