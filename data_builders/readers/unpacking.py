"""Images out of shards and parquet files, written where records can refer to them."""

from __future__ import annotations

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

        Args:
            content: the image file's bytes.
            name: its path inside the shard.

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
        path = inside(name)
        if PurePosixPath(path).suffix.lower() not in SUFFIXES:
            path = f"{path}.jpg"
        target = self.root / self.shard / path
        try:
            if not target.is_file() or target.stat().st_size != len(content):
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
