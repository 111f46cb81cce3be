"""Lines of any length: one that is too long is passed over without being held in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

BOM = b"\xef\xbb\xbf"
CHUNK = 1 << 20
"""Bytes read at once."""


class Line(NamedTuple):
    """One line of a file."""

    number: int
    """Counted from 1, blank lines included."""
    text: bytes
    """Without the newline and, in the first line, without a byte order mark; empty where it is too long."""
    too_long: str
    """Why it was passed over; empty where it was not."""


def raw_lines(file: BinaryIO, longest: int) -> Iterator[Line]:
    """The lines of a file that are not blank.

    Args:
        file: at its start.
        longest: bytes of a line, without its newline.
    """
    number = 0
    while line := file.readline(longest + len(BOM) + 1):
        number += 1
        if number == 1:
            line = line.removeprefix(BOM)
        ended = line.endswith(b"\n")
        if len(line) - ended > longest:
            size = len(line) + (-1 if ended else _skip(file))
            yield Line(number, b"", f"the line has {size:,} bytes, more than the {longest:,} allowed")
        elif not line.isspace() and line:
            yield Line(number, line[:-1] if ended else line, "")


def _skip(file: BinaryIO) -> int:
    """Read to the end of the line without keeping it; gives the bytes before the newline."""
    skipped = 0
    while part := file.readline(CHUNK):
        skipped += len(part)
        if part.endswith(b"\n"):
            return skipped - 1
    return skipped
