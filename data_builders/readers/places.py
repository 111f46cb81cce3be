"""Rows by image, when the rows of one image are scattered over files of hundreds of megabytes.

Only ids and byte ranges are kept, 80 bytes a row; a row is read again when its image's turn comes.
"""

from __future__ import annotations

import hashlib
import json
import os
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_builders.readers.streaming import Item
from mmtune.errors import UserError

_LARGEST = 1 << 62


def key_of(value: Any) -> int:
    """A number for an id, the same for 42 and "42"; another text's is a digest."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST:
        return value
    text = str(value)
    if text.isascii() and text.isdecimal() and len(text) < 19 and (text == "0" or text[0] != "0"):
        return int(text)
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


@dataclass(frozen=True, slots=True)
class Row:
    """A row read again, with the number of its file."""

    file: int
    value: Any


class Places:
    """Where the rows of each image are.

    Args:
        paths: the files; rows name them by number.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)
        self._columns = tuple(array("q") for _ in range(5))
        self._in_order: tuple[NDArray[np.int64], ...] | None = None
        self._open: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._columns[0])

    def add(self, file: int, image: Any, row_id: Any, item: Item) -> None:
        """Keep the place of a row.

        Args:
            file: number of its file.
            image: id of the image that it belongs to.
            row_id: its own id; None where rows have none.
            item: where it stands.
        """
        own = -_LARGEST - len(self) if row_id is None else key_of(row_id)
        for column, value in zip(
            self._columns, (key_of(image), own, file, item.start, item.length), strict=True
        ):
            column.append(value)
        self._in_order = None

    def duplicates(self) -> Iterator[Row]:
        """Rows whose id an earlier row of the same file has; they are taken out."""
        _, ids, files, starts, lengths = self._arrays()
        order = np.lexsort((starts, ids, files))
        same = (np.diff(ids[order]) == 0) & (np.diff(files[order]) == 0)
        again = order[1:][same]
        found = [(int(files[i]), int(starts[i]), int(lengths[i])) for i in np.sort(again)]
        self._keep(np.setdiff1d(np.arange(len(ids)), again))
        return (self._read(*place) for place in found)

    def strangers(self, images: Places) -> Iterator[Row]:
        """Rows whose image is not among the images; they are taken out."""
        keys, _, files, starts, lengths = self._arrays()
        strange = np.flatnonzero(~np.isin(keys, images._arrays()[0]))
        found = [(int(files[i]), int(starts[i]), int(lengths[i])) for i in strange]
        self._keep(np.setdiff1d(np.arange(len(keys)), strange))
        return (self._read(*place) for place in found)

    def images(self) -> Iterator[int]:
        """The key of each image once, in the order in which they were first seen."""
        _, first = np.unique(self._arrays()[0], return_index=True)
        keys = self._columns[0]
        return (keys[i] for i in np.sort(first).tolist())

    def rows(self, image: int) -> Iterator[Row]:
        """The rows of an image, in the order in which they were added.

        Args:
            image: its key.
        """
        if self._in_order is None:
            order = np.argsort(self._arrays()[0], kind="stable")
            self._in_order = tuple(column[order] for column in self._arrays())
        keys, _, files, starts, lengths = self._in_order
        first = int(np.searchsorted(keys, image, "left"))
        last = int(np.searchsorted(keys, image, "right"))
        for i in range(first, last):
            yield self._read(int(files[i]), int(starts[i]), int(lengths[i]))

    def close(self) -> None:
        """Close the files that rows were read from."""
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()

    def __enter__(self) -> Places:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _arrays(self) -> tuple[NDArray[np.int64], ...]:
        return tuple(np.frombuffer(column, dtype=np.int64) for column in self._columns)

    def _keep(self, kept: NDArray[np.int64]) -> None:
        if len(kept) != len(self):
            self._columns = tuple(array("q", column[kept].tobytes()) for column in self._arrays())
            self._in_order = None

    def _read(self, file: int, start: int, length: int) -> Row:
        path = self.paths[file]
        try:
            if file not in self._open:
                self._open[file] = os.open(path, os.O_RDONLY)
            return Row(file, json.loads(os.pread(self._open[file], length, start)))
        except (OSError, ValueError) as error:
            raise UserError(
                "the annotations were changed while they were read", str(path), "read them again"
            ) from error
