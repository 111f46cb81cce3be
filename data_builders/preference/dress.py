"""``dress``: an answer, a critique of it, and the answer that takes the critique to heart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from data_builders.preference import offline
from data_builders.preference.asking import (
    PROMPTS,
    answering,
    candidate,
    draws_of,
    facts_for,
    instructions,
    not_chosen,
    pair_row,
    pictures_of,
    prompt_of,
    question_in,
    refuted,
    rejection,
    untrue,
)
from data_builders.prompted.base import Kit, PromptedBuilder, Source
from data_builders.prompted.parsing import TEXT, json_object, number, record_of, sentence
from data_builders.teachers.base import Request, UnusableError
from data_builders.teachers.building import Built, Rejection, Steps
from data_builders.teachers.pictures import Picture
from mmtune.records import IMAGE_PLACEHOLDER, Turn

NAME = "dress"
ROUNDS = 2
_WORST, _BEST = 1, 4
_SCORE = {"type": "integer", "minimum": _WORST, "maximum": _BEST}
_SCHEMA = record_of(strengths=TEXT, weaknesses=TEXT, suggestion=TEXT, score=_SCORE)


@dataclass(frozen=True)
class Feedback:
    """What a critic says of an answer.

    Args:
        strengths: of the answer.
        weaknesses: of the answer; with the strengths, the critique.
        suggestion: how to mend it, addressed to who answered; the refinement.
        score: 1 to 4.
    """

    strengths: str
    weaknesses: str
    suggestion: str
    score: int


def read_feedback(text: str) -> Feedback:
    """The critic's four fields.

    Raises:
        UnusableError: for another form.
    """
    row = json_object(text, ["strengths", "weaknesses", "suggestion", "score"])
    said = [sentence(row[key]) for key in ("strengths", "weaknesses", "suggestion")]
    if any(IMAGE_PLACEHOLDER in one for one in said):
        raise UnusableError("the feedback holds a placeholder of an image")
    return Feedback(said[0], said[1], said[2], number(row["score"], _WORST, _BEST))


def steps(source: Source, kit: Kit) -> Steps:
    """An answer and its critique; then, for some rounds, a refined answer and the critique of that."""
    pictures = pictures_of(source, kit)
    instruction = draws_of(kit, source, NAME).choice(instructions())
    prompt = prompt_of(source, instruction=instruction)
    question = question_in(prompt)
    facts = {**facts_for(source, pictures), "question": question}
    first = kit.request("candidate", answering(facts, pictures), accept=candidate, pictures=pictures)
    seed = kit.seed * 1000 + 1
    (reply,) = yield [replace(first, settings=replace(kit.settings, seed=seed))]
    answer = candidate(reply.text)
    (reply,) = yield [_critique(kit, {**facts, "answer": answer}, pictures)]
    feedback = read_feedback(reply.text)
    rows, rejected = [], list[Rejection]()
    turns = prompt
    for round_ in range(1, ROUNDS + 1):
        if feedback.score == _BEST:
            break
        asked = {**answering(facts, pictures), "answer": answer, "suggestion": feedback.suggestion}
        (reply,) = yield [kit.request("dress_refine", asked, accept=candidate, pictures=pictures)]
        refined = candidate(reply.text)
        if refined.split() == answer.split():
            rejected.append(rejection(source, "the refined answer is the same", refined))
            break
        (reply,) = yield [_critique(kit, {**facts, "answer": refined}, pictures)]
        after = read_feedback(reply.text)
        if after.score <= feedback.score:
            why = f"the refined answer is no better: {after.score} after {feedback.score}"
            rejected.append(rejection(source, why, refined))
            break
        critique = {
            "strengths": feedback.strengths,
            "weaknesses": feedback.weaknesses,
            "suggestion": feedback.suggestion,
            "scores": {"chosen": after.score, "rejected": feedback.score},
            "round": round_,
        }
        turns = (*turns, Turn("assistant", answer), Turn("user", feedback.suggestion))
        reasons = untrue(source, question, refined)
        if reasons:  # better, and still not good enough to be chosen; the next round may mend it
            rejected.append(not_chosen(source, reasons, refined))
        for form, before in () if reasons else (("direct", prompt), ("refined", turns)):
            row = pair_row(
                kit,
                NAME,
                source,
                before,
                (refined, answer),
                facts=[{"text": refined}],
                edits=refuted(source, question, answer),
                margin=float(after.score - feedback.score),
                suffix=f"-{round_}-{form}",
                form=form,
                critique=critique,
            )
            rows.append(row)
        answer, feedback = refined, after
    if not rows and not rejected:
        rejected.append(rejection(source, "the critic finds nothing to mend in the first answer", answer))
    return Built(tuple(rows), tuple(rejected))


def _critique(kit: Kit, facts: Mapping[str, Any], pictures: tuple[Picture, ...]) -> Request:
    return kit.request("dress_critique", facts, accept=read_feedback, schema=_SCHEMA, pictures=pictures)


BUILDER = PromptedBuilder(
    NAME,
    needs="captions, objects or the images; with records, their questions",
    makes="pairs of an answer and its refinement after a critique, alone and as turns of a conversation",
    paper="DRESS, arXiv 2311.10081",
    steps=steps,
    rules={
        "candidate": offline.most_flawed,
        "dress_critique": offline.critique,
        "dress_refine": offline.refined,
    },
    prompts=PROMPTS,
    labelled=frozenset({"dress_critique"}),
)
