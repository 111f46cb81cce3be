"""Scenes for the programs: from any annotation that the readers know, or from a miniworld data set."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from data_builders.problems import Problem, Report
from data_builders.programs.soundness import faults_of
from data_builders.readers import read_annotations
from data_builders.scenes import Mask, Scene
from mmtune.errors import UserError

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Annotations:
    """Where scenes come from.

    Args:
        paths: annotation files or folders of one format that ``data_builders.readers`` knows; or folders
            that ``mmtune build miniworld`` made, whose scenes are drawn again with masks and depth.
        image_root: folder of the images, which must then be there.
        reader: the format; None finds it out.
        exhaustive: classes of which every instance is annotated; None believes the format.
        licence: of scenes whose annotation states none.
        limit: scenes to take at most.
        unpack: folder to write the images to that are inside the annotations, as in shards.
    """

    paths: tuple[Path, ...]
    image_root: Path | None = None
    reader: str | None = None
    exhaustive: frozenset[str] | None = None
    licence: str = ""
    limit: int | None = None
    unpack: Path | None = None


def sound_scenes(annotations: Annotations, report: Report) -> Iterator[Scene]:
    """The scenes of some files that can be asked about, each id once.

    Args:
        annotations: where they come from.
        report: told of each row and scene that is left out, and why.

    Raises:
        UserError: if a file cannot be read, or none of its scenes can be used; or for a limit below 1.
    """
    check_limit(annotations.limit)
    return islice(_sound_scenes(annotations, report), annotations.limit)


def check_limit(limit: int | None) -> None:
    """Refuse a number of scenes to take that is none."""
    if limit is not None and limit < 1:
        raise UserError(f"{limit} scenes are to be read", "--limit", "give 1 or more, or leave it out")


def _sound_scenes(annotations: Annotations, report: Report) -> Iterator[Scene]:
    seen: set[str] = set()
    first: Problem | None = None
    for scene in scenes_of(annotations, report):
        faults = ["its id is that of an earlier scene"] if scene.id in seen else faults_of(scene)
        if faults:
            problem = Problem(f"scene {scene.id}", "; ".join(faults[:_SHOWN]), str(annotations.paths[0]))
            first = first or problem
            report(problem)
            continue
        seen.add(scene.id)
        yield scene
    if not seen:
        where = ", ".join(map(str, annotations.paths))
        raise UserError("no scene can be used", where, f"the first problem: {first}" if first else None)


def scenes_of(annotations: Annotations, report: Report) -> Iterator[Scene]:
    """The scenes of some files as they are, also those that programs cannot ask about."""
    if all(_is_miniworld(path) for path in annotations.paths):
        return (scene for path in annotations.paths for scene in _miniworld(path))
    return read_annotations(
        annotations.paths,
        reader=annotations.reader,
        images=annotations.image_root,
        licence=annotations.licence,
        exhaustive=annotations.exhaustive,
        report=report,
        **({} if annotations.unpack is None else {"unpack": annotations.unpack}),
    )


def _is_miniworld(path: Path) -> bool:
    """Whether a folder has the manifest of a miniworld."""
    manifest = path / "manifest.json"
    return manifest.is_file() and b'"object_counts"' in manifest.read_bytes()


def _miniworld(folder: Path) -> Iterator[Scene]:
    """All scenes of a miniworld data set, split by split, drawn again from what its manifest says."""
    from data_builders.miniworld.formats.numbering import file_name, image_id
    from data_builders.miniworld.world import World, WorldSettings
    from mmtune.records import ImageRef

    settings = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["settings"]
    counts, seed, world = settings["scenes"], settings["seed"], _world(settings["world"])
    for split, count in counts.items():
        supply = World(WorldSettings(**world), split, seed)
        for index in range(count):
            image = ImageRef(f"{split}/{file_name(split, image_id(split, index))}")
            yield with_masks(supply.scene(index)).with_image(image)


def _world(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}


def with_masks(scene: Scene) -> Scene:
    """A scene of miniworld whose objects have their visible pixels as masks."""
    from data_builders.miniworld.formats.outlines import run_lengths
    from data_builders.miniworld.painting import visible_masks

    masks = visible_masks(scene)
    objects = tuple(
        replace(item, mask=Mask(scene.height, scene.width, counts=tuple(run_lengths(masks[item.id]))))
        for item in scene.objects
    )
    return replace(scene, objects=objects)
