"""The items of a JSON file of any size, decoded, with their places in the file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_builders.rows import scanner
from data_builders.rows.scanner import MAX_ITEM, Found, Scanner
from mmtune.errors import UserError


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
            for found in Scanner(file, path, scanner.MAX_ITEM).top(opened or (lambda key: True)):
                yield _item_of(found)
    except OSError as error:
        raise UserError(
            f"the annotations cannot be read: {error.strerror or error}", str(path), "check the path"
        ) from error


def _item_of(found: Found) -> Item:
    """The item that was found; its text was read as Latin-1 and may have to be read again."""
    value, error = found.value, ""
    if not found.text.isascii():
        encoded = found.text.encode("latin-1")
        try:
            value = json.loads(encoded.decode())
        except UnicodeDecodeError as wrong:
            value = json.loads(encoded.decode(errors="replace"))
            error = f"the text is not UTF-8: {wrong.reason}"
    return Item(found.key, found.place, value, found.start, len(found.text), error)


__all__ = ["MAX_ITEM", "Item", "stream_items"]
