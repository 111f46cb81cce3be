"""From questions to records, with all that is needed to check them again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from data_builders.programs.asking import Settings, ask, stream, view_of
from data_builders.programs.base import Program
from data_builders.programs.marking import copy_name
from data_builders.programs.view import View
from data_builders.programs.wording import Asked
from data_builders.scenes import Scene
from mmtune.records import IMAGE_PLACEHOLDER, ImageRef, Record, Turn


def record_of(
    program: Program, scenes: Sequence[Scene], asked: Sequence[Asked], settings: Settings
) -> Record:
    """A conversation of these questions about these scenes.

    ``meta`` holds ``builder``; ``evidence`` with the ids of the scenes and, for each answer, of the objects
    and relations that it rests on; ``arguments`` with the settings that the words depend on and, for each
    answer, what it was drawn as; ``licence`` and ``source``. All are plain JSON values.
    """
    lead = f"{IMAGE_PLACEHOLDER}\n" * len(scenes)
    turns: list[Turn] = []
    for number, found in enumerate(asked):
        turns.append(Turn("user", found.question if number else lead + found.question))
        turns.append(Turn("assistant", found.answer))
    ids = [scene.id for scene in scenes]
    record_id = f"{'+'.join(ids)}-{program.name}"
    images = tuple(ImageRef(scene.id) if scene.image is None else scene.image for scene in scenes)
    if program.marks is not None:
        images = (ImageRef(copy_name(record_id)),)
    arguments = {
        "names": settings.names,
        "digits": settings.digits,
        "turns": [found.arguments for found in asked],
    }
    meta: dict[str, Any] = {
        "builder": program.name,
        "evidence": {"scenes": ids, "turns": [evidence_of(found.evidence, ids) for found in asked]},
        "arguments": arguments,
        "licence": licence_of(scenes),
        "source": ", ".join(dict.fromkeys(_source(scene) for scene in scenes)),
    }
    return Record(record_id, tuple(turns), images, meta)


def licence_of(scenes: Sequence[Scene]) -> str:
    """The licences of all scenes; one picture of unknown licence makes the whole record's unknown."""
    return " AND ".join(dict.fromkeys(scene.licence or "unknown" for scene in scenes))


def evidence_of(evidence: Sequence[str], scene_ids: Sequence[str]) -> list[str]:
    """Evidence as a record names it: an id alone where there is one scene, else ``scene/id``."""
    if len(scene_ids) == 1:
        return list(evidence)
    split = (item.partition(":") for item in evidence)
    return [f"{scene_ids[int(place)]}/{item_id}" for place, _, item_id in split]


def records_of(program: Program, views: Sequence[View], settings: Settings) -> list[Record]:
    """The record of one program about these scenes; none where it has nothing to ask."""
    scenes = [view.scene for view in views]
    draws = stream(settings, program, *(scene.id for scene in scenes))
    asked = ask(program, views, draws, settings)
    return [record_of(program, scenes, asked, settings)] if asked else []


def records_of_scene(programs: Sequence[Program], scene: Scene, settings: Settings) -> list[Record]:
    """What all these programs ask of one scene; those for several images ask nothing."""
    views = (view_of(scene, settings),)
    return [
        record
        for program in programs
        if program.images[0] == 1
        for record in records_of(program, views, settings)
    ]


def marks_of(program: Program, record: Record) -> Sequence[Sequence[str]]:
    """The marks that must be drawn into the copy of a record's image."""
    turns: Sequence[Mapping[str, Any]] = record.meta["arguments"]["turns"]
    return program.marks(turns[0]) if program.marks is not None else ()


def _source(scene: Scene) -> str:
    """The data set that a scene says it is from, else the scene itself."""
    return str(scene.source.get("dataset") or scene.source.get("format") or scene.id)
