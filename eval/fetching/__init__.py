"""Gets the files of a benchmark from where it is published, when the user asks for it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from eval.fetching.content import wrong_kind
from eval.fetching.download import Patience, download
from eval.fetching.unpacking import unpack
from eval.json_files import read_json, write_json
from eval.tasks.published import Published, Remote
from mmtune.errors import UserError

RECORD = "fetched.json"
"""What a folder has: name of a file → its address and hash."""
MIRROR = "MMTUNE_FETCH_BASE"
"""Environment variable with the address of a mirror."""


def fetch(
    name: str, published: Published, folder: Path, mirror: str | None = None, patience: Patience | None = None
) -> list[Path]:
    """Fetch the files of a benchmark into a folder, and unpack the archives among them.

    What an earlier call has got is not fetched again; a file that broke off goes on where it was.

    Args:
        name: of the task, for messages.
        published: what the task states.
        folder: where to; made if need be.
        mirror: address of a folder that has the files under their names; by default that in the environment,
            and without one the publisher's.
        patience: how long to try.

    Returns:
        The files, archives excepted.

    Raises:
        UserError: if the benchmark has no files that can be fetched so, one cannot be had, is not what was
            published, or does not fit on the disk.
    """
    if not published.files:
        raise UserError(f"{name} has no files that can be fetched without its publisher", published.page)
    mirror = mirror or os.environ.get(MIRROR)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"The folder cannot be made: {error.strerror or error}", str(folder)) from error
    record = _record(folder)
    found = []
    for remote in published.files:
        asked = _mirrored(remote, mirror)
        target = folder / asked.name
        known = record.get(asked.name, {})
        here = known.get("unpacked") or (target.is_file() and not wrong_kind(target, asked.name))
        if known.get("url") != asked.url or not here:
            digest = download(asked, target, published.page, patience or Patience())
            members = unpack(target, folder / asked.folder) if asked.is_archive else None
            record[asked.name] = {"url": asked.url, "sha256": digest}
            if members is not None:
                record[asked.name]["unpacked"] = members
                target.unlink()
            write_json(folder / RECORD, record)
        if not asked.is_archive:
            found.append(target)
    return found


def _mirrored(remote: Remote, mirror: str | None) -> Remote:
    if not mirror:
        return remote
    return replace(remote, url=f"{mirror.rstrip('/')}/{remote.name}", as_name=remote.name)


def _record(folder: Path) -> dict[str, Any]:
    path = folder / RECORD
    found = read_json(path) if path.exists() else {}
    if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
        raise UserError("The record of what was fetched is damaged", str(path), "remove it")
    return found


__all__ = ["MIRROR", "RECORD", "Patience", "fetch"]
