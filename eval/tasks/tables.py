"""Rows of benchmarks that are published as parquet, TSV or JSON, without the images in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval.row_files import read_rows_of_any
from mmtune.errors import UserError


def read_benchmark_rows(path: Path, without: Sequence[str] = ("image",)) -> list[dict[str, Any]]:
    """Rows of a parquet, TSV, CSV, Excel, JSON or JSON Lines file, or of all parquet files of a folder.

    Args:
        path: the file or folder.
        without: columns of a parquet file that are not read: the images, which are most of it.

    Raises:
        UserError: for a file that cannot be read.
    """
    if path.is_dir() or path.suffix == ".parquet":
        return [row for file in parquet_files(path) for row in _parquet(file, without)]
    return read_rows_of_any(path)


def parquet_files(path: Path) -> list[Path]:
    """The parquet file itself, or all of a folder in the order in which their rows are counted.

    Raises:
        UserError: if the folder has none.
    """
    if not path.is_dir():
        return [path]
    files = sorted(path.glob("**/*.parquet"))
    if not files:
        raise UserError("There is no parquet file in this folder", str(path), "give the file itself")
    return files


def _parquet(path: Path, without: Sequence[str]) -> list[dict[str, Any]]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise UserError("Parquet files need pyarrow", str(path), "pip install 'mmtune[parquet]'") from error
    try:
        names = [name for name in parquet.read_schema(path).names if name not in without]
        rows: list[dict[str, Any]] = parquet.read_table(path, columns=names).to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise UserError(f"The file cannot be read: {error}", str(path), "check the path") from error
    return rows
