"""Prints a table so that words give way where the terminal is narrow, and numbers never."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_WORDS = 24
"""A longer word is folded: names of tasks and kinds are others', and may be of any length."""


def print_table(console: Console, table: Table) -> None:
    """Print a table; where its numbers alone are wider than the console, so is the table.

    A cut number is no number, and a broken interval is hard to read; what is not for people to look at (a
    pipe) is 80 columns wide.

    Args:
        console: where to.
        table: its columns of numbers are those that stand to the right.
    """
    for column in table.columns:
        cells = [str(cell) for cell in column.cells]
        if column.justify == "right":
            column.min_width = max(map(_unbroken, [str(column.header), *cells]))
        else:
            column.overflow = "fold"
            column.no_wrap = False
            column.min_width = min(_WORDS, max(map(_longest, [str(column.header), *cells])))
    console.print(table, crop=False)


def _longest(text: str) -> int:
    from rich.cells import cell_len

    return max(map(cell_len, text.split()), default=0)


def _unbroken(text: str) -> int:
    """How much of a cell stands in one line: all of a figure or an interval, a word of what has words."""
    return _longest(text) if any(map(str.isalpha, text)) else len(text)
