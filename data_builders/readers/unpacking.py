"""Images out of shards and parquet files, written where records can refer to them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path, PurePosixPath
from typing import Any

from data_builders.readers.fields import RowError
from data_builders.readers.pictures import SUFFIXES, inside
from mmtune.errors import UserError


class Unpacked:
    """A folder of a shard's images.

    Args:
        root: what paths are relative to; None unpacks nothing.
        shard: the shard's name, which is its folder's.
    """

    def __init__(self, root: Path | None, shard: str) -> None:
        self.root = root
        self.shard = shard

    def write(self, content: Any, name: str) -> str:
        """Write an image, whole or not at all, unless it is there already.

        A file of that name that holds another image is left as it is, since another record shows it: shards
        of different folders share names, and so do all images of some parquet files.

        Args:
            content: the image file's bytes.
            name: its path inside the shard; where it has none, or that of another image, its digest tells it.

        Returns:
            The path relative to the root.

        Raises:
            RowError: if there is no image, no folder to write to, or the name leaves the folder.
            UserError: if it cannot be written.
        """
        if not isinstance(content, bytes) or not content:
            raise RowError("the image is empty")
        if self.root is None:
            raise RowError("the image is inside the file; give a folder to unpack to")
        digest = hashlib.sha256(content).hexdigest()[:16]
        path = inside(name or digest)
        if PurePosixPath(path).suffix.lower() not in SUFFIXES:
            path = f"{path}.jpg"
        target = self.root / self.shard / path
        try:
            if target.is_file() and not _holds(target, content):
                target = target.with_name(f"{target.stem}-{digest}{target.suffix}")
                path = str(PurePosixPath(path).with_name(target.name))
            if not target.is_file() or not _holds(target, content):
                target.parent.mkdir(parents=True, exist_ok=True)
                partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
                partial.write_bytes(content)
                partial.replace(target)
        except OSError as error:
            raise UserError(
                f"an image cannot be unpacked: {error.strerror or error}",
                str(target),
                "check the folder and the space left on its disk",
            ) from error
        return f"{self.shard}/{path}"


def _holds(file: Path, content: bytes) -> bool:
    return file.stat().st_size == len(content) and file.read_bytes() == content
