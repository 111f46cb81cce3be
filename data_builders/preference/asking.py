"""What every preference builder with a teacher is made of: the question, the pictures, candidates, rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from data_builders.curate.scores.refusal import refusals
from data_builders.draws import Draws
from data_builders.programs.asking import stable_number
from data_builders.prompted.base import Kit, Source
from data_builders.prompted.claims import check_answer
from data_builders.prompted.contexts import known
from data_builders.prompted.parsing import sentence
from data_builders.prompted.prompts import Prompts
from data_builders.teachers.base import Reply, Request, UnusableError
from data_builders.teachers.building import Rejection
from data_builders.teachers.pictures import Picture
from mmtune.errors import RecordError, UserError
from mmtune.images.video import choose_frames, find_video
from mmtune.records import (
    IMAGE_PLACEHOLDER,
    VIDEO_PLACEHOLDER,
    ImageRef,
    Preference,
    Record,
    Turn,
    preference_to_json,
)

PROMPTS = Path(__file__).parent / "prompts"
CANDIDATES = 4
TEMPERATURE = 0.7
"""Of candidates, which must differ, where no other is given."""
FRAMES = 8
"""Of a video that a teacher is shown at most."""


@cache
def instructions() -> tuple[str, ...]:
    """Requests for a description, as they ship."""
    return tuple(Prompts(None, PROMPTS).lines("instructions"))


def draws_of(kit: Kit, source: Source, purpose: str) -> Draws:
    """The draws of one builder about one piece of input."""
    return Draws(kit.seed, stable_number(purpose), stable_number(source.id))


def images_of(source: Source) -> tuple[ImageRef, ...]:
    """The images that the pair will be about.

    Raises:
        UserError: if there are none.
    """
    if source.record is not None:
        images = source.record.images
    else:
        images = (source.scene.image,) if source.scene.image is not None else ()
    if not images:
        raise UserError("there is no image, so nothing can be said about one", source.id)
    return images


def pictures_of(source: Source, kit: Kit) -> tuple[Picture, ...]:
    """The images as a teacher is shown them, a video as some of its frames; none without an image root."""
    if kit.image_root is None:
        return ()
    found: list[Picture] = []
    for image in images_of(source):
        if image.video:
            count = find_video(kit.image_root, image.path).count()
            frames = [replace(image, video=False, frame=number) for number in choose_frames(count, FRAMES)]
            found += [Picture(kit.image_root, frame, kit.side_px) for frame in frames]
        else:
            found.append(Picture(kit.image_root, image, kit.side_px))
    return tuple(found)


def prompt_of(source: Source, question: str | None = None, instruction: str = "") -> tuple[Turn, ...]:
    """The turns before the answer.

    Args:
        source: whose record's first question it is.
        question: to ask instead, about the same images.
        instruction: where there is neither record nor question.
    """
    images = images_of(source)
    if source.record is None or question is not None:
        lead = f"{IMAGE_PLACEHOLDER}\n" * len(images)
        return (Turn("user", lead + (question or instruction)),)
    turns = source.record.turns[: 2 if source.record.turns[0].role == "system" else 1]
    if sum(turn.placeholders for turn in turns) != len(images):
        raise UserError("not all images stand before the first answer", source.id)
    return turns


def question_in(prompt: Sequence[Turn]) -> str:
    """The last question in plain words."""
    return " ".join(prompt[-1].text.replace(IMAGE_PLACEHOLDER, " ").split())


def facts_for(source: Source, pictures: Sequence[Picture]) -> dict[str, Any]:
    """What a prompt may say of the scene.

    Raises:
        UserError: if nothing is known, and the teacher does not see the image either.
    """
    return {"facts": known(source.scene, seen=bool(pictures)), "scene": source.scene}


def answering(facts: Mapping[str, Any], pictures: Sequence[Picture]) -> dict[str, Any]:
    """The facts for who answers: one that sees the images is told nothing that their user would not say."""
    return {**facts, "facts": "" if pictures else facts["facts"]}


def candidate(text: str) -> str:
    """An answer that may become data.

    Raises:
        UnusableError: if it is empty, holds a placeholder, or refuses.
    """
    said = sentence(text)
    if IMAGE_PLACEHOLDER in said or VIDEO_PLACEHOLDER in said:
        raise UnusableError("the answer holds a placeholder of an image")
    if refusals(Record("?", (Turn("user", "?"), Turn("assistant", said)))):
        raise UnusableError("the teacher refuses to answer")
    return said


def candidate_requests(kit: Kit, facts: Mapping[str, Any], pictures: tuple[Picture, ...]) -> list[Request]:
    """As many answers to one question as are compared, each drawn by itself."""
    count = int(kit.option("candidates", CANDIDATES))
    if count < 2:
        raise UserError(f"{count} candidates cannot be compared", "--candidates", "give 2 or more")
    asked = kit.request("candidate", answering(facts, pictures), accept=candidate, pictures=pictures)
    warm = float(kit.option("temperature", TEMPERATURE))
    first = kit.seed * 1000 + 1
    return [
        replace(
            asked,
            id=f"candidate-{place}",
            settings=replace(kit.settings, temperature=warm, seed=first + place),
        )
        for place in range(count)
    ]


def different(replies: Sequence[Reply]) -> list[str]:
    """The candidates, each once; spaces make no difference."""
    found = {" ".join(reply.text.split()): reply.text.strip() for reply in reversed(replies)}
    return list(reversed(found.values()))


SAME = "all candidates are the same"


def untrue(source: Source, question: str, answer: str) -> tuple[str, ...]:
    """Why the scene says that an answer is untrue; empty where it does not."""
    return check_answer(question, answer, source.scene).reasons


def refuted(source: Source, question: str, answer: str) -> list[dict[str, Any]]:
    """What the scene shows to be wrong in an answer, as ``Preference.rejected_edits`` has it."""
    return [
        {"kind": "answer", "false": answer, "shown_by": "scene", "reason": reason}
        for reason in check_answer(question, answer, source.scene).proven
    ]


def not_chosen(source: Source, reasons: Sequence[str], answer: str) -> Rejection:
    """The rejection of an answer that was found best, and that the scene refutes."""
    return Rejection(source.id, f"not to be chosen, the scene refutes it: {'; '.join(reasons)}", answer)


def pair_row(
    kit: Kit,
    builder: str,
    source: Source,
    prompt: Sequence[Turn],
    answers: tuple[str, str],
    *,
    facts: Sequence[Mapping[str, Any]] = (),
    edits: Sequence[Mapping[str, Any]] = (),
    margin: float | None = None,
    suffix: str = "",
    **meta: Any,
) -> Mapping[str, Any]:
    """A row of a preference, with what the chosen answer rests on and where it comes from.

    Args:
        kit: of the build.
        builder: its name.
        source: what it was made from.
        prompt: the turns before the answer.
        answers: (chosen, rejected).
        facts: ``Preference.chosen_facts``.
        edits: ``Preference.rejected_edits``.
        margin: of the two.
        suffix: tells pairs of one unit apart.
        meta: more for ``Preference.meta``.

    Raises:
        UserError: if it cannot be trained on.
    """
    chosen, rejected = answers
    scene = source.scene
    rests_on = list(check_answer(question_in(prompt), chosen, scene).evidence)
    provenance = {
        "builder": builder,
        "scene": scene.id,
        "evidence": {"scenes": [scene.id], "turns": [rests_on]},
        "licence": scene.licence or "unknown",
        "source": {"teacher": dict(kit.teacher), "prompts": kit.prompts.sha256},
    }
    if source.record is not None:
        provenance["parent"] = source.record.id
    name = f"{source.id}-{builder}{suffix}"
    pair = Preference(
        name,
        tuple(prompt),
        chosen,
        rejected,
        images_of(source),
        {**provenance, **meta},
        tuple(facts),
        tuple(edits),
        margin,
    )
    try:
        pair.check()
    except RecordError as error:
        raise UserError(error.reason, name) from error
    return preference_to_json(pair)


def rejection(source: Source, reason: str, text: str = "") -> Rejection:
    """A rejection of something about this input."""
    return Rejection(source.id, reason, text)
