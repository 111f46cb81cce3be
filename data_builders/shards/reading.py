"""The records and images of one shard."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

from mmtune.errors import UserError
from mmtune.records import Record


def iter_shard(path: Path) -> Iterator[tuple[Record, list[bytes]]]:
    """Records of one shard with the bytes of their images, in order.

    Raises:
        UserError: the file is not such a shard, or has a member that lies outside of it or is no file.
    """
    from mmtune.records import parse_llava

    images: list[bytes] = []
    try:
        with tarfile.open(path, "r|") as tar:
            for number, member in enumerate(tar):
                if not member.isfile() or "/" in member.name or "\\" in member.name:
                    raise UserError("a member of the shard is no plain file", f"{path}: {member.name!r}")
                source = tar.extractfile(member)
                assert source is not None
                if member.name.endswith(".json"):
                    yield parse_llava(json.loads(source.read()), number), images
                    images = []
                else:
                    images.append(source.read())
    except (tarfile.TarError, json.JSONDecodeError) as error:
        raise UserError(f"the shard cannot be read: {error}", str(path), "build it again") from error
