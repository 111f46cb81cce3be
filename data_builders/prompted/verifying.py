"""Held against its scene once more, what a teacher wrote must still stand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from data_builders.builders import Built
from data_builders.programs.inputs import Annotations, scenes_of
from data_builders.programs.soundness import faults_of
from data_builders.programs.verifying import verify as verify_program
from data_builders.prompted import PROMPTED
from data_builders.prompted.claims import check_answer
from data_builders.scenes import Scene
from data_builders.verified import licence_reasons, verify_rows
from mmtune.records import IMAGE_PLACEHOLDER, Record, parse_llava


def verify(record: Record, scenes: Mapping[str, Scene]) -> list[str]:
    """Why a record of a prompted builder does not stand; empty where nothing speaks against it.

    What a teacher wrote cannot be computed anew: the scene must not contradict it, and it must rest on what
    it says. Its licence and its image must be the scene's.

    Args:
        record: with ``evidence`` in its meta.
        scenes: by id.
    """
    evidence = record.meta.get("evidence")
    if not isinstance(evidence, Mapping) or not isinstance(evidence.get("scenes"), list):
        return ["the record does not say what it rests on"]
    name = next(iter(evidence["scenes"]), None)
    if not isinstance(name, str) or name not in scenes:
        return [f"there is no scene {name!r}"]
    scene, turns = scenes[name], [turn for turn in record.turns if turn.role != "system"]
    proofs = evidence.get("turns")
    if not isinstance(proofs, list) or len(proofs) != len(turns) // 2:
        return ["there is not one list of evidence for each answer"]
    reasons = licence_reasons(record.meta.get("licence"), scene.licence or "unknown")
    if scene.image is None or [image.path for image in record.images] != [scene.image.path]:
        reasons.append("the image is not that of the scene")
    for place, rests_on in enumerate(proofs):
        question = turns[2 * place].text.removeprefix(f"{IMAGE_PLACEHOLDER}\n")
        checked = check_answer(question, turns[2 * place + 1].text, scene)
        reasons += [f"answer {place + 1}: {reason}" for reason in checked.reasons]
        if list(checked.evidence) != rests_on:
            reasons.append(f"answer {place + 1} rests on {', '.join(checked.evidence) or 'nothing'}")
    return reasons


def verify_file(records: Path, annotations: Annotations, noted: Path | None = None) -> Built:
    """Verify every record of a file, whether a program or a teacher has made it.

    Args:
        records: LLaVA JSON or one record a line.
        annotations: where its scenes are.
        noted: as for ``data_builders.verified.verify_rows``, which says what comes back and is raised.
    """
    scenes = {scene.id: scene for scene in scenes_of(annotations, lambda problem: None)}
    sound = {key: scene for key, scene in scenes.items() if not faults_of(scene)}

    def reasons(record: Record) -> list[str]:
        builder = record.meta.get("builder")
        if isinstance(builder, str) and builder in PROMPTED:
            return verify(record, scenes)
        return verify_program(record, sound)

    return verify_rows(records, parse_llava, reasons, noted)
