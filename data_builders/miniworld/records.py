"""Scenes as training records: captions for alignment, conversations for instruction tuning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from data_builders.draws import Draws
from data_builders.miniworld.captions import short_caption
from data_builders.miniworld.questions import description
from data_builders.miniworld.questions.base import Question
from data_builders.scenes import Scene
from mmtune.records import IMAGE_PLACEHOLDER, ImageRef, Record, Turn


def align_record(scene: Scene, image: ImageRef, draws: Draws) -> Record:
    """One instruction and the short caption, as in LLaVA's first stage."""
    instruction = draws.choice(description.SHORT.phrasings["ask"])
    turns = (Turn("user", f"{IMAGE_PLACEHOLDER}\n{instruction}"), Turn("assistant", short_caption(scene)))
    return Record(f"{scene.id}-align", turns, (image,), _provenance(scene))


def tune_record(scene: Scene, image: ImageRef, questions: Sequence[Question]) -> Record:
    """A conversation of these questions, with the evidence for each in ``meta["evidence"]``."""
    turns: list[Turn] = []
    for number, question in enumerate(questions):
        lead = f"{IMAGE_PLACEHOLDER}\n" if number == 0 else ""
        turns += [Turn("user", lead + question.text), Turn("assistant", question.answer)]
    meta = _provenance(scene) | {"evidence": [question.to_json() for question in questions]}
    return Record(f"{scene.id}-tune", tuple(turns), (image,), meta)


def questions_of(record: Record) -> list[Question]:
    """The questions of a tuning record as they were asked, for ``questions.verify``."""
    texts = [turn.text for turn in record.turns]
    found = []
    for number, row in enumerate(record.meta["evidence"]):
        text = texts[2 * number].removeprefix(f"{IMAGE_PLACEHOLDER}\n")
        answer, evidence = texts[2 * number + 1], tuple(row["objects"])
        family, form, phrasing = row["family"], row["form"], row["phrasing"]
        found.append(Question(family, form, phrasing, text, answer, evidence, row["arguments"]))
    return found


def _provenance(scene: Scene) -> dict[str, Any]:
    return {"scene": scene.id, "builder": "miniworld", "licence": scene.licence}
