"""Scenes for the programs: from a file of scenes, or from a miniworld data set's folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from data_builders.problems import Problem, Report
from data_builders.programs.soundness import faults_of
from data_builders.scenes import Mask, Scene, read_scenes
from mmtune.errors import UserError

_SHOWN = 3


def sound_scenes(paths: Sequence[Path], report: Report, limit: int | None = None) -> Iterator[Scene]:
    """The scenes of some files that can be asked about, each id once.

    Args:
        paths: files of scenes, one a line; or folders that ``mmtune build miniworld`` made, whose scenes
            are drawn again with masks and depth.
        report: told of each scene that is left out, and why.
        limit: scenes to take at most.

    Raises:
        UserError: if a file cannot be read, or none of its scenes can be used.
    """
    return islice(_sound_scenes(paths, report), limit)


def _sound_scenes(paths: Sequence[Path], report: Report) -> Iterator[Scene]:
    seen: set[str] = set()
    first: Problem | None = None
    for path in paths:
        for scene in _scenes(path):
            faults = ["its id is that of an earlier scene"] if scene.id in seen else faults_of(scene)
            if faults:
                problem = Problem(f"scene {scene.id}", "; ".join(faults[:_SHOWN]), str(path))
                first = first or problem
                report(problem)
                continue
            seen.add(scene.id)
            yield scene
    if not seen:
        where = ", ".join(map(str, paths))
        raise UserError("no scene can be used", where, f"the first problem: {first}" if first else None)


def _scenes(path: Path) -> Iterator[Scene]:
    if path.is_dir():
        return _miniworld(path)
    if not path.is_file():
        raise UserError("There is no such file of scenes", str(path), "check the path")
    return read_scenes(path)


def _miniworld(folder: Path) -> Iterator[Scene]:
    """All scenes of a miniworld data set, split by split, drawn again from what its manifest says."""
    from data_builders.miniworld.formats.numbering import file_name, image_id
    from data_builders.miniworld.world import World, WorldSettings
    from mmtune.records import ImageRef

    try:
        settings = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["settings"]
        counts, seed, world = settings["scenes"], settings["seed"], _world(settings["world"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        fix = "give a file of scenes, or a folder that `mmtune build miniworld` made"
        raise UserError("The folder holds no miniworld data set", str(folder), fix) from error
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
