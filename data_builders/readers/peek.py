"""A first look at a file or folder, by which its format is told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from data_builders.readers.streaming import stream_items
from mmtune.errors import UserError

_WINDOW = 1 << 16
_ENOUGH = 2 << 20
JSON = (".json", ".jsonl", ".ndjson")


@dataclass(frozen=True)
class Peek:
    """What is seen without reading a file through.

    Args:
        path: the file or folder.
        names: names in the folder, sorted; empty for a file.
        keys: keys of the object at the top, or of the first row of a list or of lines.
        row: the first row: of a list or of lines, or of the first list (or object) inside the top object.
        is_rows: whether the file is a list or lines, and not one object.
        line: the first line, for text that is not JSON.
    """

    path: Path
    names: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    row: Mapping[str, Any] = field(default_factory=dict)
    is_rows: bool = False
    line: str = ""

    @property
    def suffix(self) -> str:
        """The file's suffix in lower case, "" for a folder."""
        return "" if self.names else self.path.suffix.lower()

    @property
    def looks(self) -> str:
        """What was seen, for a message."""
        if self.names:
            return "a folder with " + ", ".join(self.names[:5]) + (" …" if len(self.names) > 5 else "")
        if self.keys:
            kind = "rows" if self.is_rows else "an object"
            return f"{kind} with the keys " + ", ".join(self.keys[:12])
        return f"a file that begins with {self.line[:60]!r}" if self.line else "nothing that is known"

    def within(self, name: str) -> Peek:
        """A look at a file of this folder."""
        return peek(self.path / name)

    @cached_property
    def first_json(self) -> Peek | None:
        """A look at the first JSON file of this folder; None where there is none."""
        found = next((name for name in self.names if Path(name).suffix.lower() in JSON), None)
        return self.within(found) if found else None


def peek(path: Path) -> Peek:
    """Look at a path.

    Raises:
        UserError: if there is nothing, or it cannot be read.
    """
    try:
        if path.is_dir():
            return Peek(path, names=tuple(sorted(entry.name for entry in path.iterdir())))
        with path.open("rb") as file:
            start = file.read(_WINDOW).removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise UserError(
            f"the annotations cannot be read: {error.strerror or error}", str(path), "check the path"
        ) from error
    head = start.lstrip()[:1]
    if head == b"[":
        return _rows(path)
    if head == b"{":
        return _lines(path) or _object(path)
    first = start.split(b"\n", 1)[0].decode("utf-8", "replace")
    return Peek(path, line=first if first.isprintable() or "\t" in first else "")


def _rows(path: Path) -> Peek:
    items = stream_items(path)
    row = next(items, None)
    value = row.value if row is not None and isinstance(row.value, dict) else {}
    return Peek(path, keys=tuple(value), row=value, is_rows=True)


def _lines(path: Path) -> Peek | None:
    """A look at a file whose first line is a whole object; None where it is not."""
    with path.open("rb") as file:
        line = file.readline(_WINDOW * 16).removeprefix(b"\xef\xbb\xbf")
        more = bool(file.read(1))
    try:
        # One row that is not UTF-8 is a bad row of lines, and no other format.
        row = json.loads(line.decode(errors="replace"))
    except ValueError:
        return None
    # One object on the only line is a JSON file as well as a line: its name decides.
    if not isinstance(row, dict) or not (more or path.suffix.lower() in (".jsonl", ".ndjson")):
        return None
    return Peek(path, keys=tuple(row), row=row, is_rows=True)


def _object(path: Path) -> Peek:
    keys: dict[str, None] = {}
    row: Mapping[str, Any] = {}
    for item in stream_items(path):
        keys[item.key] = None
        value = item.value if isinstance(item.value, dict) else {}
        if value and (not row or (item.index == 0 and item.key in ("images", "annotations"))):
            row = value
        # The beginning tells the format; the rest of a large file is not read for it.
        if item.start > _ENOUGH:
            break
    return Peek(path, keys=tuple(keys), row=row)
