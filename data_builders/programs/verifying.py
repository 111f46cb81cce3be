"""Verify a record: every word of it is recomputed from the scenes, whatever the builder drew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from data_builders.programs.asking import Settings, view_of
from data_builders.programs.base import Program
from data_builders.programs.records import evidence_of, licence_of
from data_builders.programs.registry import PROGRAMS
from data_builders.programs.view import View
from data_builders.programs.wording import word
from data_builders.scenes import Scene
from data_builders.verified import licence_reasons
from mmtune.errors import UserError
from mmtune.records import IMAGE_PLACEHOLDER, Record


def verify(record: Record, scenes: Mapping[str, Scene] | Iterable[Scene]) -> list[str]:
    """Reasons why a record of a program is not what its scenes give; empty where it is verified.

    The answer, the question's words, the options and the evidence of every turn are computed anew from the
    annotation and the turn's arguments, and compared with what the record says; so is the licence.

    Args:
        record: as ``record_of`` made it, or as it was read back from a file.
        scenes: those that it is about, by id or one after the other.
    """
    known = scenes if isinstance(scenes, Mapping) else {scene.id: scene for scene in scenes}
    try:
        program = PROGRAMS[record.meta["builder"]]
        evidence, arguments = record.meta["evidence"], record.meta["arguments"]
        ids, rows, proofs = evidence["scenes"], arguments["turns"], evidence["turns"]
        settings = Settings(names=arguments["names"], digits=arguments["digits"])
    except (KeyError, TypeError, UserError) as error:
        return [f"the record does not say what it was built from: {error}"]
    if not all(isinstance(value, list) for value in (ids, rows, proofs)) or not all(
        isinstance(scene_id, str) for scene_id in ids
    ):
        return ["what the record was built from is not told in lists"]
    if missing := [scene_id for scene_id in ids if scene_id not in known]:
        return [f"there is no scene {missing[0]!r}"]
    if not program.images[0] <= len(ids) <= program.images[1] or len(record.images) != len(ids):
        return [f"{program.name} is not about {len(ids)} images"]
    reasons = _check_shape(record, len(ids), len(rows), len(proofs))
    if reasons:
        return reasons
    views = [view_of(known[scene_id], settings) for scene_id in ids]
    reasons += licence_reasons(record.meta.get("licence"), licence_of([known[scene_id] for scene_id in ids]))
    lead = f"{IMAGE_PLACEHOLDER}\n" * len(ids)
    for number, row in enumerate(rows):
        question = record.turns[2 * number].text
        if number == 0 and not question.startswith(lead):
            return [*reasons, "the images do not stand before the first question"]
        question = question.removeprefix(lead) if number == 0 else question
        answer = record.turns[2 * number + 1].text
        reason = _check_turn(program, views, row, question, answer, proofs[number], ids)
        if reason:
            reasons.append(f"turn {number + 1}: {reason}")
    # Rows that are no arguments have no marks to compare.
    if not reasons and program.marks is not None and len({str(program.marks(row)) for row in rows}) > 1:
        reasons.append("not all turns speak of the same marks")
    if not reasons:
        reasons += _check_images(record, program, [known[scene_id] for scene_id in ids])
    return reasons


def _check_shape(record: Record, images: int, rows: int, proofs: int) -> list[str]:
    if not rows or rows != proofs or len(record.turns) != 2 * rows:
        return ["the record has not one set of arguments and of evidence for each answer"]
    if [turn.role for turn in record.turns] != ["user", "assistant"] * rows:
        return ["the turns are not questions and answers"]
    return []


def _check_turn(
    program: Program, views: list[View], row: Any, question: str, answer: str, proof: Any, ids: list[str]
) -> str | None:
    try:
        solution = program.solve(views, row)
        again = None if solution is None else word(program, row, solution)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        return f"its arguments do not fit the scene ({type(error).__name__}: {error})"
    if again is None:
        return "it cannot be answered from the annotation"
    if again.answer != answer:
        return f"the answer is {answer!r}, the annotation gives {again.answer!r}"
    if again.question != question:
        return f"the question is {question!r}, its arguments say {again.question!r}"
    evidence = evidence_of(again.evidence, ids)
    if evidence != proof:
        return f"the evidence is {proof}, the answer rests on {evidence}"
    return None


def _check_images(record: Record, program: Program, scenes: list[Scene]) -> list[str]:
    if program.marks is not None:
        return []  # the image is a copy of the scene's
    paths = [scene.image.path if scene.image else scene.id for scene in scenes]
    if [image.path for image in record.images] != paths:
        return ["the images are not those of the scenes"]
    return []
