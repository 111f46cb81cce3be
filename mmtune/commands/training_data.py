"""What a model has been trained on: as the user names it, or as the model's checkpoint remembers it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmtune.errors import UserError
from mmtune.wording import counted

if TYPE_CHECKING:
    from eval.overlap import TrainingRecords

NONE = "none"
MOST_ROWS = 20_000
"""Rows of remembered records that are compared without being asked: some minutes of one core."""
MANIFEST = "mmtune.json"
_BLOCK = 1 << 20


def named(words: Sequence[str]) -> list[TrainingRecords]:
    """What ``--train-data FILE[,images=FOLDER]`` names; the images are beside the file where no folder is.

    Raises:
        UserError: a file or folder is not there, or the words cannot be read.
    """
    from eval.overlap import TrainingRecords

    found = []
    for text in words:
        name, *settings = text.split(",")
        images = str(Path(name).parent)
        for setting in settings:
            key, equals, value = setting.partition("=")
            if key != "images" or not equals:
                raise UserError(
                    f"cannot read {setting!r}", f"--train-data {text}", "write FILE,images=FOLDER"
                )
            images = value
        found.append(TrainingRecords(Path(name), Path(images)))
    return found


def remembered(model: str) -> tuple[list[TrainingRecords], list[str]]:
    """The records that a checkpoint and those before it were trained on, where they are on this machine.

    Args:
        model: as ``mmtune eval`` takes it.

    Returns:
        The records, and a sentence for each that is not compared, since it is not there or would take long,
        or has changed since. Neither for a model that is no checkpoint of a run.
    """
    from eval.overlap import TrainingRecords

    found: dict[tuple[Path, Path], TrainingRecords] = {}
    notes: list[str] = []
    rows = 0
    for manifest in _line(Path(model.removeprefix("mmtune:"))):
        if manifest is None:
            notes.append("a checkpoint that this one grew from is gone or another now: its data is not known")
            continue
        fraction = manifest["recipe"]["data"].get("validation_fraction", 0.0)
        known = {source["path"]: source for source in manifest["data"]["train"]}
        for source in manifest["recipe"]["data"]["train"]:
            path = Path(source["path"])
            images = Path(source.get("image_root") or path.parent)
            as_read = known.get(source["path"], {})
            size = as_read.get("records", 0)
            if not path.is_file():
                what = (
                    "a folder of shards, which are not compared" if path.exists() else "not on this machine"
                )
                notes.append(f"training data {path} is {what}")
            elif not images.is_dir():
                notes.append(f"the images of training data {path} are not on this machine")
            elif rows + size > MOST_ROWS:
                notes.append(
                    f"training data {path} ({counted(size, 'row', thousands=True)}) is compared"
                    f" only when asked, which takes a"
                    f" while: --train-data {path},images={images}"
                )
            elif (place := (path.resolve(), images.resolve())) not in found:
                rows += size
                found[place] = TrainingRecords(path, images)
                # A part of a file that is kept for validation gives the rest a fingerprint of its own.
                if not fraction and as_read.get("fingerprint") not in (None, _sha256(path)):
                    notes.append(f"training data {path} has changed since the training")
    return list(found.values()), notes


def _line(folder: Path) -> Iterator[Mapping[str, Any] | None]:
    """The manifest of a checkpoint and of those that it grew from, if of runs; None for a lost one."""
    seen = set()
    manifest = _manifest(folder)
    while manifest is not None:
        if "train" in (manifest.get("data") or {}) and "recipe" in manifest:
            yield manifest
        parent = manifest.get("parent")
        if parent is None or parent["folder"] in seen:
            return
        seen.add(parent["folder"])
        file = Path(parent["folder"]) / MANIFEST
        if not file.is_file() or _sha256(file) != parent["sha256"]:
            yield None
            return
        manifest = _manifest(file.parent)


def _manifest(folder: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
