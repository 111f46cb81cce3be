"""Random access to the records of webdataset shards, with their images where they lie in the tar files.

The folder is one that ``mmtune data shards`` wrote: tar files and a ``manifest.json`` that lists them. In a
shard the files of a sample stand one behind the other and share a key; ``KEY.json`` is the record, the others
are its images in their order.
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mmtune.data.config import SourceConfig
from mmtune.errors import RecordError, UserError
from mmtune.records import ImageRef, Record, parse_llava

MANIFEST = "manifest.json"
_FORMAT = 1
_BLOCK = tarfile.BLOCKSIZE


def is_shards(path: Path) -> bool:
    """Whether a path is a folder, or the manifest in one; anything else is a file of records."""
    return path.is_dir() or path.name == MANIFEST


@dataclass(frozen=True)
class _Index:
    """Where the files of one shard lie in it."""

    stamp: tuple[int, int]
    """Size and time of the shard when it was looked through."""
    records: np.ndarray
    """(records, 2) int64: first byte and number of bytes of each record's JSON."""
    images: np.ndarray
    """(images, 2) int64: the same of each image."""
    first_image: np.ndarray
    """(records + 1,) int64: the images of record ``i`` are those from ``first_image[i]`` to the next."""


class ShardSource:
    """The records of a folder of shards, in the order in which they were written.

    A shard is looked through when the first of its records is asked for; 24 bytes a record and 16 an image
    are kept. Reading is safe from several processes at once.

    Args:
        config: the folder, or its manifest.

    Raises:
        UserError: there is no manifest, it lists a shard that is missing or of another size, or an image root
            is given.
    """

    def __init__(self, config: SourceConfig) -> None:
        given = Path(config.path)
        self.path = given if given.is_dir() else given.parent
        if config.image_root is not None:
            raise UserError("shards hold their images", f"image_root of {self.path}", "leave image_root out")
        self.image_root = self.path
        content, self._names, self._sizes, counts = _read_manifest(self.path / MANIFEST)
        # The manifest has the sha256 of every shard.
        self.fingerprint = hashlib.sha256(content).hexdigest()
        self._ends = list(accumulate(counts))
        self._indices: dict[int, _Index] = {}
        for name, size in zip(self._names, self._sizes, strict=True):
            with self._opened(name) as file:
                if _stamp(file)[0] != size:
                    raise self._damaged(name, f"it should have {size:,} bytes")

    def __len__(self) -> int:
        return self._ends[-1]

    def row(self, index: int) -> int:
        """Zero-based place of the record in all shards: the index itself."""
        return index

    def record(self, index: int) -> Record:
        """The record; its images are spans of the shard.

        Raises:
            RecordError: if it cannot be used.
            UserError: if its shard is gone, damaged or was changed.
        """
        shard = bisect_right(self._ends, index)
        place = index - (self._ends[shard - 1] if shard else 0)
        name = self._names[shard]
        with self._opened(name) as file:
            found = self._index(shard, file)
            start, length = (int(number) for number in found.records[place])
            file.seek(start)
            content = file.read(length)
        try:
            record = parse_llava(json.loads(content), index)
        except (ValueError, RecursionError) as error:
            raise RecordError(f"the row is no JSON that can be read: {error}", row=index) from error
        spans = found.images[found.first_image[place] : found.first_image[place + 1]]
        if len(spans) != len(record.images):
            raise RecordError(
                f"the record has {len(record.images)} image(s), the shard {name} holds {len(spans)} for it",
                record.id,
                index,
            )
        images = tuple(ImageRef(name, span=(int(first), int(count))) for first, count in spans)
        return replace(record, images=images)

    def record_id(self, index: int) -> str:
        """The record's id, "?" where its row cannot be read."""
        try:
            return self.record(index).id
        except RecordError as error:
            return error.record_id

    def _index(self, shard: int, file: BinaryIO) -> _Index:
        """Where everything lies in a shard, which must be what it was."""
        name, stamp = self._names[shard], _stamp(file)
        if shard not in self._indices:
            first = self._ends[shard - 1] if shard else 0
            self._indices[shard] = self._looked_through(name, file, stamp, self._ends[shard] - first)
        if self._indices[shard].stamp != stamp:
            raise self._damaged(name, "it was changed while it was in use")
        return self._indices[shard]

    def _looked_through(self, name: str, file: BinaryIO, stamp: tuple[int, int], expected: int) -> _Index:
        records: list[tuple[int, int]] = []
        images: list[tuple[int, int]] = []
        first_image = [0]
        key = ""
        try:
            for member, start, length in _members(file):
                stem, _, extension = member.partition(".")
                if key and stem != key:
                    raise self._damaged(name, f"the sample {key!r} has no record")
                key = stem
                if extension == "json":
                    records.append((start, length))
                    first_image.append(len(images))
                    key = ""
                else:
                    images.append((start, length))
        except tarfile.TarError as error:
            raise self._damaged(name, f"it is no tar file that can be read: {error}") from error
        if len(records) != expected or key:
            raise self._damaged(name, f"it holds {len(records)} records, the manifest says {expected}")
        return _Index(stamp, _pairs(records), _pairs(images), np.array(first_image, dtype=np.int64))

    def _opened(self, name: str) -> BinaryIO:
        path = self.path / name
        try:
            return path.open("rb")
        except OSError as error:
            raise UserError(
                f"a shard cannot be read: {error.strerror or error}", str(path), "fetch or build it again"
            ) from error

    def _damaged(self, name: str, reason: str) -> UserError:
        return UserError(
            f"the shard is not what its manifest says: {reason}",
            str(self.path / name),
            f"see `mmtune data shards --verify {self.path}`, and fetch or build it again",
        )


def _members(file: BinaryIO) -> Iterator[tuple[str, int, int]]:
    """Name, first byte and number of bytes of each file in a tar, whose content is passed over.

    Raises:
        tarfile.TarError: where it is none, or holds something that is no plain file.
    """
    position = 0
    while True:
        file.seek(position)
        block = file.read(_BLOCK)
        if not block.strip(b"\0"):
            return
        member = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        if member.type not in tarfile.REGULAR_TYPES or "/" in member.name or "\\" in member.name:
            raise tarfile.ReadError(f"the member {member.name!r} is no plain file")
        position += _BLOCK
        yield member.name, position, member.size
        position += -(-member.size // _BLOCK) * _BLOCK


def _pairs(values: list[tuple[int, int]]) -> np.ndarray:
    return np.array(values, dtype=np.int64).reshape(-1, 2)


def _stamp(file: BinaryIO) -> tuple[int, int]:
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns


def _read_manifest(path: Path) -> tuple[bytes, list[str], list[int], list[int]]:
    """The manifest's bytes; and of each shard its name, bytes and records.

    Raises:
        UserError: there is none, or it is not that of a finished folder of shards.
    """
    try:
        content = path.read_bytes()
        values: Any = json.loads(content)
        shards = [(str(one["name"]), int(one["bytes"]), int(one["records"])) for one in values["shards"]]
        known = values["format"] == _FORMAT and all(Path(name).name == name for name, _, _ in shards)
    except OSError as error:
        raise UserError(
            f"the folder of records has no manifest that can be read: {error.strerror or error}",
            str(path),
            "give a file of records, or a folder that `mmtune data shards` finished",
        ) from error
    except (ValueError, TypeError, KeyError):
        known = False
    if not known or not shards:
        raise UserError("the file is not a manifest of shards", str(path), "build the shards again")
    return content, *(list(column) for column in zip(*shards, strict=True))  # type: ignore[return-value]
