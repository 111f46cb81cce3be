"""JSON that does not fit into memory: the items of a list, or the entries of an object, one after the other.

A tokenising parser such as ijson would do the same, but stops the whole file at a ``NaN`` (which Python's
and Matlab's writers leave in boxes) or at one byte that is not UTF-8. Here every item goes through the
standard decoder, so such an item is one bad row, and its place in the file is known, to read it again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from data_builders.rows.lines import BOM
from mmtune.errors import UserError

CHUNK = 1 << 20
"""Bytes read at once."""
MAX_ITEM = 64 << 20
"""Largest item, in bytes, that is decoded: one scene graph, one annotation, one line."""

_SPACE = re.compile(r"[ \t\r\n]*")
_LONGEST_SIGN = 3
_WORST_CUT = 16  # A literal, a number or an escape that the end of the buffer cuts is shorter than this.


class Found(NamedTuple):
    """A JSON value and where it stands in its file."""

    key: str
    """The entry's key where the list (or the value) stands in an object, else ""."""
    place: int
    """Zero-based place in its list; -1 for an entry of an object that is no list."""
    value: Any
    """Decoded as Latin-1: its texts are those of the file only where ``text`` is ASCII."""
    text: str
    """The file's bytes, one character each."""
    start: int
    """First byte."""
    line: int
    """Line of the first byte, counted from 1."""
    column: int
    """Column of the first byte, counted from 1, in bytes."""


class Scanner:
    """A window of a file as Latin-1, in which one character is one byte and JSON's marks are the same.

    Args:
        file: at its start; UTF-8, with or without a byte order mark.
        path: its name, for messages.
        longest: bytes of the largest value.
    """

    def __init__(self, file: BinaryIO, path: Path, longest: int) -> None:
        self._file = file
        self._path = path
        self._longest = longest
        self._text = ""
        self._at = 0
        self._base = 0
        self._ended = False
        self._line, self._line_start, self._counted = 1, 0, 0
        self._decode = json.JSONDecoder().raw_decode

    def top(self, opened: Callable[[str], bool]) -> Iterator[Found]:
        """The items of the list at the top, or the entries of the object.

        Args:
            opened: which entries of an object to take apart, by key, where their value is a list; the others
                come whole.

        Raises:
            UserError: the file is empty, is neither a list nor an object, is malformed or cut short (with
                line and column), or holds a value that is too large.
        """
        self._fill(CHUNK + len(BOM))
        if self._text.startswith(BOM.decode("latin-1")):
            self._at = self._line_start = self._counted = len(BOM)
        mark = self._mark()
        if not mark:
            raise UserError("the file is empty", str(self._path), "give a file that holds something")
        if mark == "[":
            yield from self._list("")
        elif mark == "{":
            yield from self._object(opened)
        else:
            raise self._malformed("a list or an object was expected")
        if self._mark():
            raise self._malformed("there is more after the end of the JSON value")

    def _object(self, opened: Callable[[str], bool]) -> Iterator[Found]:
        self._at += 1
        if self._mark() == "}":
            self._at += 1
            return
        while True:
            if self._mark() != '"':
                raise self._malformed("a key was expected")
            key = self._item("", -1)
            # A key that is not UTF-8 is still a key.
            name = key.value if key.text.isascii() else _as_utf8(key.text)
            if self._mark() != ":":
                raise self._malformed("':' was expected")
            self._at += 1
            if self._mark() == "[" and opened(name):
                yield from self._list(name)
            else:
                yield self._item(name, -1)
            if self._separator("}"):
                return

    def _list(self, key: str) -> Iterator[Found]:
        self._at += 1
        if self._mark() == "]":
            self._at += 1
            return
        index = 0
        while True:
            self._mark()
            yield self._item(key, index)
            index += 1
            if self._separator("]"):
                return

    def _separator(self, closing: str) -> bool:
        """Go past a comma (False) or the closing bracket (True)."""
        mark = self._mark()
        if mark not in (",", closing):
            raise self._malformed(f"',' or '{closing}' was expected")
        self._at += 1
        return mark == closing

    def _mark(self) -> str:
        """The next character that is not white space; "" at the end of the file."""
        while True:
            found = _SPACE.match(self._text, self._at)
            assert found is not None
            self._at = found.end()
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._fill(CHUNK):
                return ""

    def _item(self, key: str, index: int) -> Found:
        while True:
            try:
                value, end = self._decode(self._text, self._at)
            except json.JSONDecodeError as error:
                at = self._base + error.pos
                cut = error.msg.startswith("Unterminated") or error.pos + _WORST_CUT > len(self._text)
                if not cut or not self._grow():
                    raise self._malformed(error.msg, at) from error
                continue
            except RecursionError as error:
                raise self._malformed("it is nested too deeply") from error
            except ValueError as error:  # A number of thousands of digits.
                raise self._malformed(str(error).split(";")[0]) from error
            length = end - self._at
            # At the end of the window a number may go on, as 1 does in 1e+5.
            if end + _LONGEST_SIGN <= len(self._text) or not self._grow():
                break
        start = self._base + self._at
        line, column = self._place(start)
        text = self._text[self._at : self._at + length]
        self._at += length
        return Found(key, index, value, text, start, line, column)

    def _grow(self) -> bool:
        """Read on, in steps that double, so that a large item is decoded a few times only."""
        held = len(self._text) - self._at
        if held > self._longest:
            line, column = self._place(self._base + self._at)
            raise UserError(
                f"an item has more than the {self._longest:,} bytes that are read at once",
                f"{self._path}, line {line}, column {column}",
                "shorten it, or write the file as JSON Lines, where a long row can be passed over",
            )
        return self._fill(max(CHUNK, held))

    def _fill(self, size: int) -> bool:
        """Read more bytes and forget those before the current item; False at the end of the file."""
        if self._ended:
            return False
        more = self._file.read(size)
        self._ended = not more
        self._place(self._base + self._at)
        self._text = self._text[self._at :] + more.decode("latin-1")
        self._base += self._at
        self._at = 0
        return bool(more)

    def _place(self, position: int) -> tuple[int, int]:
        """Line and column of a byte of the window that is not before the last one asked for."""
        begin, end = self._counted - self._base, position - self._base
        if newlines := self._text.count("\n", begin, end):
            self._line += newlines
            self._line_start = self._base + self._text.rfind("\n", begin, end) + 1
        self._counted = position
        return self._line, position - self._line_start + 1

    def _malformed(self, what: str, position: int | None = None) -> UserError:
        at = self._base + self._at if position is None else position
        ended = self._ended and (
            what.startswith("Unterminated") or at >= self._base + len(self._text.rstrip())
        )
        line, column = self._place(at)
        return UserError(
            "the JSON is cut short" if ended else f"malformed JSON: {what[0].lower()}{what[1:]}",
            f"{self._path}, line {line}, column {column}",
            "fetch or write the file again" if ended else "mend the file there",
        )


def _as_utf8(text: str) -> str:
    """A JSON text read as Latin-1, as UTF-8; what is none is marked."""
    return str(json.loads(text.encode("latin-1").decode(errors="replace")))
