"""JSON that does not fit into memory: the items of a list, or the entries of an object, one after the other.

A tokenising parser such as ijson would do the same, but stops the whole file at a ``NaN`` (which Python's
and Matlab's writers leave in boxes) or at one byte that is not UTF-8. Here every item goes through the
standard decoder, so such an item is one bad row, and its place in the file is known, to read it again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from mmtune.errors import UserError

CHUNK = 1 << 20
"""Bytes read at once."""
MAX_ITEM = 64 << 20
"""Largest item, in bytes, that is decoded: one scene graph, one annotation, one line."""

_SPACE = re.compile(r"[ \t\r\n]*")
_LONGEST_SIGN = 3
_WORST_CUT = 16  # A literal, a number or an escape that the end of the buffer cuts is shorter than this.


@dataclass(frozen=True, slots=True)
class Item:
    """A JSON value and where it stands in its file.

    Args:
        key: the entry's key where the list (or the value) stands in an object, else "".
        index: zero-based place in its list; -1 for an entry of an object that is no list.
        value: decoded; where ``error`` is given, with marks in place of what is not UTF-8.
        start: first byte.
        length: bytes.
        error: why the value cannot be decoded, for text that is not UTF-8.
    """

    key: str
    index: int
    value: Any
    start: int
    length: int
    error: str = ""


def stream_items(path: Path, *, opened: Callable[[str], bool] | None = None) -> Iterator[Item]:
    """Go through the top level of a JSON file without holding more than one item of it.

    A list gives its items. An object gives its entries; an entry that is a list gives its items instead,
    and nothing where it is empty.

    Args:
        path: a JSON file of any size, UTF-8 with or without a byte order mark.
        opened: which entries of an object to take apart, by key, where their value is a list; the others come
            whole. All lists where it is None.

    Raises:
        UserError: the file cannot be read, is empty, is neither a list nor an object, is malformed or cut
            short (with line and column), or holds an item larger than ``MAX_ITEM``.
    """
    try:
        with path.open("rb") as file:
            yield from _Scanner(file, path).top(opened or (lambda key: True))
    except OSError as error:
        raise UserError(
            f"the annotations cannot be read: {error.strerror or error}", str(path), "check the path"
        ) from error


class _Scanner:
    """A window of the file as Latin-1, in which one character is one byte and JSON's marks are the same."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = file
        self._path = path
        self._text = ""
        self._at = 0
        self._base = 0
        self._ended = False
        self._decode = json.JSONDecoder().raw_decode

    def top(self, opened: Callable[[str], bool]) -> Iterator[Item]:
        self._fill(CHUNK + 3)
        if self._text.startswith("\xef\xbb\xbf"):
            self._at = 3
        mark = self._mark()
        if not mark:
            raise UserError("the file is empty", str(self._path), "give a file with annotations")
        if mark == "[":
            yield from self._list("")
        elif mark == "{":
            yield from self._object(opened)
        else:
            raise self._malformed("a list or an object was expected")
        if self._mark():
            raise self._malformed("there is more after the end of the JSON value")

    def _object(self, opened: Callable[[str], bool]) -> Iterator[Item]:
        self._at += 1
        if self._mark() == "}":
            self._at += 1
            return
        while True:
            if self._mark() != '"':
                raise self._malformed("a key was expected")
            key = self._item("", -1)
            name = key.value if isinstance(key.value, str) else repr(key.error)
            if self._mark() != ":":
                raise self._malformed("':' was expected")
            self._at += 1
            if self._mark() == "[" and opened(name):
                yield from self._list(name)
            else:
                yield self._item(name, -1)
            if self._separator("}"):
                return

    def _list(self, key: str) -> Iterator[Item]:
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

    def _item(self, key: str, index: int) -> Item:
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
        return self._cut(key, index, value, length)

    def _cut(self, key: str, index: int, value: Any, length: int) -> Item:
        """The item that begins here; its text was read as Latin-1 and may have to be read again."""
        start = self._base + self._at
        content = self._text[self._at : self._at + length]
        self._at += length
        if content.isascii():
            return Item(key, index, value, start, len(content))
        encoded = content.encode("latin-1")
        try:
            return Item(key, index, json.loads(encoded.decode()), start, len(content))
        except UnicodeDecodeError as error:
            value = json.loads(encoded.decode(errors="replace"))
            return Item(key, index, value, start, len(content), f"the text is not UTF-8: {error.reason}")

    def _grow(self) -> bool:
        """Read on, in steps that double, so that a large item is decoded a few times only."""
        held = len(self._text) - self._at
        if held > MAX_ITEM:
            raise self._malformed(f"an item is larger than the {MAX_ITEM >> 20} MB that are read at once")
        return self._fill(max(CHUNK, held))

    def _fill(self, size: int) -> bool:
        """Read more bytes and forget those before the current item; False at the end of the file."""
        if self._ended:
            return False
        more = self._file.read(size)
        self._ended = not more
        self._text = self._text[self._at :] + more.decode("latin-1")
        self._base += self._at
        self._at = 0
        return bool(more)

    def _malformed(self, what: str, position: int | None = None) -> UserError:
        at = self._base + self._at if position is None else position
        ended = self._ended and (
            what.startswith("Unterminated") or at >= self._base + len(self._text.rstrip())
        )
        line, column = _line_and_column(self._path, at)
        return UserError(
            "the JSON is cut short" if ended else f"malformed JSON: {what[0].lower()}{what[1:]}",
            f"{self._path}, line {line}, column {column}",
            "fetch or write the file again" if ended else "mend the file there",
        )


def _line_and_column(path: Path, position: int) -> tuple[int, int]:
    line, last, done = 1, -1, 0
    with path.open("rb") as file:
        while done < position and (chunk := file.read(min(CHUNK, position - done))):
            line += chunk.count(b"\n")
            newline = chunk.rfind(b"\n")
            last = done + newline if newline >= 0 else last
            done += len(chunk)
    return line, position - last
