"""``videosavi``: a model asks itself about the frames, answers several times, and scores its own answers."""

from __future__ import annotations

from data_builders.preference import offline
from data_builders.preference.asking import (
    PROMPTS,
    SAME,
    answering,
    candidate_requests,
    different,
    facts_for,
    images_of,
    not_chosen,
    pair_row,
    pictures_of,
    prompt_of,
    refuted,
    rejection,
    untrue,
)
from data_builders.preference.balancing import balance_file
from data_builders.prompted.base import Kit, PromptedBuilder, Source
from data_builders.prompted.parsing import TEXT, array, json_object, number, record_of, text_list
from data_builders.teachers.base import UnusableError
from data_builders.teachers.building import Built, Rejection, Steps
from mmtune.records import IMAGE_PLACEHOLDER, VIDEO_PLACEHOLDER

NAME = "videosavi"
QUESTIONS = 2
LEAST_GAP = 1
_WORST, _BEST = 1, 10


def read_questions(text: str) -> list[str]:
    """The questions that the model asks itself."""
    found = text_list(json_object(text, ["questions"])["questions"], 1, QUESTIONS)
    if any(tag in question for question in found for tag in (IMAGE_PLACEHOLDER, VIDEO_PLACEHOLDER)):
        raise UnusableError("a question holds a placeholder of an image")
    return found


def read_score(text: str) -> int:
    """How well an answer fits the frames, 1 to 10."""
    return number(json_object(text, ["score"])["score"], _WORST, _BEST)


def steps(source: Source, kit: Kit) -> Steps:
    """Questions; several answers to each; a score for each answer; the best against the worst."""
    pictures = pictures_of(source, kit)
    frames = len(pictures) or len(images_of(source))
    facts = {**facts_for(source, pictures), "frames": frames, "most": QUESTIONS}
    schema = record_of(questions=array(TEXT, 1, QUESTIONS))
    (reply,) = yield [
        kit.request(
            "videosavi_questions",
            answering(facts, pictures),
            accept=read_questions,
            schema=schema,
            pictures=pictures,
        )
    ]
    rows, rejected = [], list[Rejection]()
    for place, question in enumerate(read_questions(reply.text), start=1):
        asked = {**facts, "question": question}
        answers = different((yield candidate_requests(kit, asked, pictures)))
        if len(answers) < 2:
            rejected.append(rejection(source, SAME, f"{question} -> {answers[0]}"))
            continue
        schema = record_of(score={"type": "integer", "minimum": _WORST, "maximum": _BEST})
        replies = yield [
            kit.request(
                "videosavi_score",
                {**asked, "answer": answer},
                accept=read_score,
                schema=schema,
                pictures=pictures,
            )
            for answer in answers
        ]
        scores = {answer: read_score(reply.text) for answer, reply in zip(answers, replies, strict=True)}
        order = sorted(answers, key=lambda answer: scores[answer])
        while order and (reasons := untrue(source, question, order[-1])):
            rejected.append(not_chosen(source, reasons, order.pop()))
        worst = min(answers, key=lambda answer: scores[answer])
        if not order or scores[order[-1]] - scores[worst] < LEAST_GAP:
            rejected.append(rejection(source, "no answer scores higher than another", question))
            continue
        best = order[-1]
        row = pair_row(
            kit,
            NAME,
            source,
            prompt_of(source, question),
            (best, worst),
            facts=[{"text": best}],
            edits=refuted(source, question, worst),
            margin=float(scores[best] - scores[worst]),
            suffix=f"-{place}",
            frames=frames,
            scores={"chosen": scores[best], "rejected": scores[worst]},
        )
        rows.append(row)
    return Built(tuple(rows), tuple(rejected))


BUILDER = PromptedBuilder(
    NAME,
    needs="images or video frames, or captions or objects",
    makes="questions that a model asks itself about frames, and pairs of its own answers by its own scores",
    paper="VideoSAVi, arXiv 2412.00624",
    steps=steps,
    rules={
        "videosavi_questions": offline.own_questions,
        "candidate": offline.flawed,
        "videosavi_score": offline.scored,
    },
    prompts=PROMPTS,
    takes=frozenset({"candidates"}),
    labelled=frozenset({"videosavi_score"}),
    finish=balance_file,
)
