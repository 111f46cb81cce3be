"""Readers: from the annotation formats of the field to scenes, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from data_builders.problems import Problem, Report, stop_at_first
from data_builders.readers.inputs import Inputs, Reader
from data_builders.readers.lines import is_whole_text
from data_builders.readers.peek import peek
from data_builders.readers.places import key_of
from data_builders.scenes import Scene
from mmtune.errors import UserError
from mmtune.registry import Registry

READERS: Registry[Reader] = Registry(
    "reader",
    "data_builders.readers",
    {
        "scenes": "own:READER",
        "coco": "coco:READER",
        "visual_genome": "visual_genome:READER",
        "gqa": "gqa:READER",
        "localized_narratives": "localized_narratives:READER",
        "ocr": "ocr:READER",
        "llava": "llava:READER",
        "flickr30k": "flickr30k:READER",
        "image_shards": "image_shards:READER",
        "captions": "captions:READER",
    },
)


def detect(paths: Sequence[Path]) -> str:
    """The name of the reader for these files or folders.

    Raises:
        UserError: if a path is not there, is of no known format, or they are of different ones.
    """
    found: dict[str, Path] = {}
    for path in paths:
        seen = peek(path)
        name = next((name for name, reader in READERS.items() if reader.recognises(seen)), None)
        if name is None:
            raise UserError(
                f"the format of the annotations is not known: {seen.looks}",
                str(path),
                f"name it, one of {', '.join(READERS)}",
            )
        found.setdefault(name, path)
    if not found:
        raise UserError("no annotations are given", fix="name a file or a folder")
    if len(found) > 1:
        shown = ", ".join(f"{path} is {name}" for name, path in found.items())
        raise UserError("the annotations are of different formats", shown, "read them one by one")
    return next(iter(found))


def read_annotations(
    paths: Sequence[Path | str],
    *,
    reader: str | None = None,
    images: Path | None = None,
    licence: str = "",
    exhaustive: frozenset[str] | None = None,
    report: Report = stop_at_first,
    **settings: Any,
) -> Iterator[Scene]:
    """The scenes of annotation files.

    Args:
        paths: files or folders of one format.
        reader: the format, out of ``READERS``; None finds it out.
        images: folder that image paths are relative to; an image that is not there is then a problem.
        licence: of scenes whose annotation states none; "" leaves it unknown.
        exhaustive: classes of which every instance is annotated, where the user knows better than the format.
        report: told of each row that is left out. Unless one is given, the first ends the reading.
        settings: of the reader itself.

    Raises:
        UserError: if a file cannot be read, the reader is unknown or lacks a setting, or no scene comes out.
    """
    files = tuple(Path(path) for path in paths)
    if reader is not None:
        READERS.find(reader)
    for path in files:
        if not path.exists():
            raise UserError("the annotations do not exist", str(path), "check the path")
    if images is not None and not images.is_dir():
        raise UserError("the folder of images does not exist", str(images), "check the path")
    name = reader or detect(files)
    _demand_settings(name, settings)
    if exhaustive is not None:
        # Written otherwise than the readers write names, a class would be absent from every image.
        exhaustive = frozenset(" ".join(item.split()).lower() for item in exhaustive)
    return _distinct(Inputs(files, images, exhaustive), name, licence, report, settings)


def _distinct(
    inputs: Inputs, name: str, licence: str, report: Report, settings: dict[str, Any]
) -> Iterator[Scene]:
    """The scenes of a reader with one id each, at least one of them."""
    seen: set[int] = set()
    first: list[Problem] = []

    def noted(problem: Problem) -> None:
        if not first:
            first.append(problem)
        report(problem)

    where = ", ".join(map(str, inputs.paths))
    for scene in READERS[name].read(inputs, noted, **settings):
        key = key_of(scene.id)
        if key in seen:
            noted(Problem(f"scene {scene.id}", "its id is that of an earlier scene", where))
            continue
        kept = [scene.licence, scene.source, [item.source for item in scene.objects if item.source]]
        if not is_whole_text(kept):
            reason = "its licence or what is kept of its rows holds half of a surrogate pair"
            noted(Problem(f"scene {scene.id}", reason, where))
            continue
        seen.add(key)
        yield replace(scene, licence=licence) if licence and not scene.licence else scene
    if not seen:
        reason = f"the first problem: {first[0]}" if first else "the files are empty"
        raise UserError("no scene could be read", where, reason)


def _demand_settings(name: str, settings: dict[str, Any]) -> None:
    import inspect

    takes = set(inspect.signature(READERS[name].read).parameters) - {"inputs", "report"}
    for setting in settings:
        if setting not in takes:
            advice = f"it takes {', '.join(sorted(takes))}" if takes else "it takes none"
            raise UserError(f"the reader {name} has no setting {setting!r}", fix=advice)


__all__ = ["READERS", "Inputs", "Reader", "detect", "read_annotations"]
