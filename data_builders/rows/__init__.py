"""Rows of files, one at a time in bounded memory, whatever they hold: the one way to stream a file.

``reading`` gives the rows of a file of records, ``scanner`` the values of a JSON file of any shape, ``lines``
the lines of a text. What is wrong with a row is a ``data_builders.problems.Problem``.
"""

from __future__ import annotations

from data_builders.rows.reading import BLOCK_ROWS, MAX_ROW_BYTES, Row, iter_blocks, iter_rows
from data_builders.rows.writing import RowWriter, to_line, write_rows, write_whole, writing_to

__all__ = [
    "BLOCK_ROWS",
    "MAX_ROW_BYTES",
    "Row",
    "RowWriter",
    "iter_blocks",
    "iter_rows",
    "to_line",
    "write_rows",
    "write_whole",
    "writing_to",
]
