"""A folder with real photographs, records about them, and small benchmarks in their official formats."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from data_builders.installed import installed_file
from mmtune.errors import UserError

PHOTOS: dict[str, tuple[str, str]] = {
    "astronaut_1.png": ("skimage", "data/astronaut.png"),
    "cat_2.png": ("skimage", "data/chelsea.png"),
    "coffee_3.png": ("skimage", "data/coffee.png"),
    "rocket_4.jpg": ("skimage", "data/rocket.jpg"),
    "motorcycle_5.png": ("skimage", "data/motorcycle_left.png"),
    "coins_6.png": ("skimage", "data/coins.png"),
    "camera_7.png": ("skimage", "data/camera.png"),
    "china_8.jpg": ("sklearn", "datasets/images/china.jpg"),
    "flower_9.jpg": ("sklearn", "datasets/images/flower.jpg"),
}
"""File name → (package, path inside it). The number at the end is the image id of the benchmarks."""

_PIP_NAMES = {"skimage": "scikit-image", "sklearn": "scikit-learn"}
_FILES = Path(__file__).parent / "files"


@dataclass(frozen=True, slots=True)
class Album:
    """What was written."""

    counts: dict[str, int]
    """Photographs, and records or rows of each file."""


def build(out: Path, *, progress: Callable[[int, int], None] | None = None) -> Album:
    """Copy the photographs and what was written about them.

    The folder then holds ``images/``, ``llava/{align,tune}.json``, ``pope/photos.json``,
    ``vqa/{questions,annotations}.json`` and ``coco/{instances,captions}_photos.json``. What stood there
    under these names is written again.

    Args:
        out: the folder; made if it is not there.
        progress: called with the photographs done and the photographs in all.

    Raises:
        UserError: if a photograph is not installed, or the folder cannot be written.
    """
    out = Path(out)
    sources = {name: _installed(name) for name in PHOTOS}
    try:
        (out / "images").mkdir(parents=True, exist_ok=True)
        for done, (name, source) in enumerate(sources.items(), start=1):
            shutil.copyfile(source, out / "images" / name)
            if progress:
                progress(done, len(sources))
        shutil.copytree(_FILES, out, dirs_exist_ok=True, copy_function=shutil.copyfile)
    except OSError as error:
        full = error.errno == errno.ENOSPC
        raise UserError(
            "the disk is full" if full else f"the photographs cannot be written: {error.strerror or error}",
            str(error.filename2 or error.filename or out),
            "free some space and run it again" if full else "choose another folder",
        ) from error
    return Album({"photos": len(sources), **_records()})


def _installed(name: str) -> Path:
    package, inner = PHOTOS[name]
    path = installed_file(package, inner)
    if path is None:
        pip_name = _PIP_NAMES[package]
        raise UserError(f"the photograph {inner} of {pip_name} is missing", name, f"pip install {pip_name}")
    return path


def _records() -> dict[str, int]:
    """Rows of the files that one counts by."""

    def text(name: str) -> str:
        return (_FILES / name).read_text(encoding="utf-8")

    return {
        "align": len(json.loads(text("llava/align.json"))),
        "tune": len(json.loads(text("llava/tune.json"))),
        "pope": len(text("pope/photos.json").splitlines()),
        "vqa": len(json.loads(text("vqa/questions.json"))["questions"]),
    }
