"""What a folder of shards holds, as its ``manifest.json`` says, and whether it still holds it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmtune.errors import UserError

FORMAT_VERSION = 1
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Shard:
    """One finished shard, as it stands in the manifest."""

    name: str
    sha256: str
    bytes: int
    records: int
    images: int
    turns: int
    characters: int
    """Characters of all turns."""
    longest: int
    """Characters of its longest record."""
    licences: dict[str, int]
    """Class of licence -> records."""


@dataclass(frozen=True)
class Manifest:
    """What a folder of shards holds."""

    format: int
    settings: dict[str, Any]
    input_sha256: str
    """Of the file that the rows came from."""
    records: int
    images: int
    turns: int
    licences: dict[str, int]
    licence: str
    """Class of the strictest record."""
    problems: int
    """Rows that are in no shard; ``problems.jsonl`` lists them."""
    shards: list[Shard]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder of shards.

    Raises:
        UserError: there is none, or it is not one.
    """
    path = folder / MANIFEST
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return Manifest(**{**values, "shards": [Shard(**shard) for shard in values["shards"]]})
    except OSError as error:
        raise UserError(
            f"the manifest cannot be read: {error.strerror}", str(path), "build the shards again"
        ) from error
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(
            "the file is not a manifest of shards", str(path), "build the shards again"
        ) from error


def verify_shards(folder: Path) -> list[str]:
    """What does not agree with the manifest, a sentence each; empty where all does."""
    wrong = []
    for shard in read_manifest(folder).shards:
        file = folder / shard.name
        if not file.is_file():
            wrong.append(f"{shard.name} is missing")
        elif sha256_of(file) != shard.sha256:
            wrong.append(f"{shard.name} is not what was built: its sha256 differs")
    return wrong


def sha256_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            found = hashlib.sha256()
            while part := file.read(2**20):
                found.update(part)
            return found.hexdigest()
    except OSError as error:
        raise UserError(
            f"the file cannot be read: {error.strerror or error}", str(path), "check the path"
        ) from error
