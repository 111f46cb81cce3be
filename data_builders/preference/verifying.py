"""Held against its scene once more, a preference must still be one: the chosen true, the rejected not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data_builders.builders import Built
from data_builders.preference import povid
from data_builders.preference.asking import question_in
from data_builders.preference.spans import Span, check_spans, replaced
from data_builders.preference.statements import KINDS, evidence, say, truth
from data_builders.programs.inputs import Annotations, scenes_of
from data_builders.programs.soundness import faults_of
from data_builders.programs.view import View
from data_builders.prompted.claims import check_answer
from data_builders.rows import iter_rows
from data_builders.scenes import Scene
from data_builders.teachers.base import UnusableError
from data_builders.verified import licence_reasons, verify_rows
from mmtune.errors import RecordError
from mmtune.records import Preference, parse_preference


def verify(pair: Preference, scenes: Mapping[str, Scene]) -> list[str]:
    """Why a pair does not stand; empty where nothing speaks against it.

    Of ``povid`` every statement, every edit and both answers are computed anew. Of builders with a teacher,
    the chosen answer must not contradict the scene and rest on what the pair says, and each edit that the
    scene has shown to be false must be shown so again; what a labeller has said cannot be recomputed. The
    licence must be the scene's.

    Args:
        pair: as a builder made it, or as it was read back from a file.
        scenes: by id.
    """
    try:
        pair.check()
    except RecordError as error:
        return [error.reason]
    rests_on = pair.meta.get("evidence")
    if not isinstance(rests_on, Mapping) or not rests_on.get("scenes"):
        return ["the pair does not say what it rests on"]
    name = rests_on["scenes"][0]
    if name not in scenes:
        return [f"there is no scene {name!r}"]
    scene = scenes[name]
    reasons = licence_reasons(pair.meta.get("licence"), scene.licence or "unknown")
    try:
        if pair.meta.get("builder") == povid.NAME:
            return reasons + _stated(pair, scene, rests_on)
        return reasons + _written(pair, scene, rests_on)
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        return [f"what the pair says of itself does not fit the scene ({type(error).__name__}: {error})"]


def verify_file(records: Path, annotations: Annotations, noted: Path | None = None) -> Built:
    """Verify every pair of a file against scenes that are read as they were when it was built.

    Args:
        records: preferences, as a JSON list or one a line.
        annotations: where their scenes are.
        noted: as for ``data_builders.verified.verify_rows``, which says what comes back and is raised.
    """
    scenes = {scene.id: scene for scene in scenes_of(annotations, lambda problem: None)}
    sound = {key: scene for key, scene in scenes.items() if not faults_of(scene)}

    def reasons(pair: Preference) -> list[str]:
        # A teacher needs less of a scene than what states its facts: no size of the image, and no boxes.
        return verify(pair, sound if pair.meta.get("builder") == povid.NAME else scenes)

    return verify_rows(records, parse_preference, reasons, noted)


def holds_pairs(records: Path) -> bool:
    """Whether the first row of a file that can be decoded is a preference."""
    for row in iter_rows(records):
        try:
            first = row.value()
        except RecordError:
            continue
        return isinstance(first, dict) and {"chosen", "rejected"} <= set(first)
    return False


def _stated(pair: Preference, scene: Scene, rests_on: Mapping[str, Any]) -> list[str]:
    """Pairs of statements, which the scene proves or refutes one by one."""
    view = View(scene, pair.meta["arguments"]["names"])
    reasons = []
    if scene.image is None or [image.path for image in pair.images] != [scene.image.path]:
        reasons.append("the image is not that of the scene")
    texts = []
    for number, fact in enumerate(pair.chosen_facts, start=1):
        claim = fact["claim"]
        if truth(view, claim) is not True:
            reasons.append(f"statement {number} is not true of the scene: {fact['text']}")
        elif say(view, claim) != fact["text"] or evidence(view, claim) != fact["evidence"]:
            reasons.append(f"statement {number} is not what its claim says: {fact['text']}")
        texts.append(fact["text"])
    told = list(dict.fromkeys(name for fact in pair.chosen_facts for name in fact["evidence"]))
    if rests_on["turns"] != [told]:
        reasons.append("the evidence is not that of the statements")
    if not texts or pair.chosen != " ".join(texts):
        reasons.append("the chosen answer is not its statements")
    places = [edit["place"] for edit in pair.rejected_edits]
    if not places or len(set(places)) < len(places):
        reasons.append("there is no edit, or two of one statement")
    for number, edit in enumerate(pair.rejected_edits, start=1):
        claim, before = edit["claim"], pair.chosen_facts[edit["place"]]
        if (
            edit["kind"] != claim["kind"]
            or claim["kind"] not in KINDS
            or claim["kind"] != before["claim"]["kind"]
        ):
            reasons.append(f"edit {number} is of another kind than its claim")
        if truth(view, claim) is not False:
            reasons.append(f"edit {number} is not false of the scene: {edit['false']}")
        if say(view, claim) != edit["false"] or before["text"] != edit["true"]:
            reasons.append(f"edit {number} is not what its claim says: {edit['false']}")
        texts[edit["place"]] = edit["false"]
    if pair.rejected != " ".join(texts):
        reasons.append("the rejected answer is not the chosen one with its edits")
    return reasons


def _written(pair: Preference, scene: Scene, rests_on: Mapping[str, Any]) -> list[str]:
    """Pairs that a teacher wrote, of which the scene can refute some."""
    question = question_in(pair.prompt)
    checked = check_answer(question, pair.chosen, scene)
    reasons = [f"the chosen answer: {reason}" for reason in checked.reasons]
    if [list(checked.evidence)] != [list(turn) for turn in rests_on["turns"]]:
        reasons.append(f"the chosen answer rests on {', '.join(checked.evidence) or 'nothing'}")
    spans = [
        Span(edit["kind"], edit["true"], edit["false"]) for edit in pair.rejected_edits if "true" in edit
    ]
    for number, edit in enumerate(pair.rejected_edits, start=1):
        if edit.get("shown_by") != "scene":
            continue
        text = edit["false"]
        if "true" in edit:
            text = replaced(pair.chosen, [Span(edit["kind"], edit["true"], edit["false"])])
        if not check_answer(question, text, scene).proven:
            reasons.append(f"edit {number} is not refuted by the scene: {edit['false']}")
    if spans:
        try:
            check_spans(pair.chosen, spans)
        except UnusableError as error:
            reasons.append(f"the edits do not fit the chosen answer: {error}")
        if replaced(pair.chosen, spans) != pair.rejected:
            reasons.append("the rejected answer is not the chosen one with its edits")
    return reasons
