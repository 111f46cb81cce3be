"""``textsquare``: questions about text, answered, reasoned and evaluated; what fails is left out."""

from __future__ import annotations

import json

from data_builders.prompted import offline
from data_builders.prompted.base import Kit, PromptedBuilder, Source, true_turns
from data_builders.prompted.contexts import text_lines
from data_builders.prompted.parsing import (
    TEXT,
    TRUTH,
    array,
    json_object,
    record_of,
    sentence,
    text_list,
    truth,
)
from data_builders.teachers.building import Built, Rejection, Steps

NAME = "textsquare"
WHY = "How do you know?"


def questions(text: str) -> list[str]:
    """Different questions."""
    return text_list(json_object(text, ["questions"])["questions"], 1, 12)


def answer(text: str) -> str:
    """One answer."""
    return sentence(json_object(text, ["answer"])["answer"])


def reason(text: str) -> str:
    """One reason."""
    return sentence(json_object(text, ["reason"])["reason"])


def faults(text: str) -> list[str]:
    """What an evaluation found wanting."""
    row = json_object(text, ["meaningful", "right", "reasoned"])
    return [name for name in ("meaningful", "right", "reasoned") if not truth(row[name])]


def steps(source: Source, kit: Kit) -> Steps:
    """Self-questioning, answering, reasoning, evaluation."""
    scene, pictures = source.scene, kit.pictures(source.scene)
    has_text = bool(scene.texts) or any(item.text for item in scene.objects)
    text = "\n".join(text_lines(scene)) if has_text or not pictures else ""
    facts = {"text": text, "scene": scene}
    count = int(kit.option("questions", 4))
    asked = kit.request(
        "textsquare_question",
        {**facts, "count": count},
        accept=questions,
        schema=record_of(questions=array(TEXT, 1, 12)),
        pictures=pictures,
    )
    (reply,) = yield [asked]
    listed = questions(reply.text)
    replies = yield [
        kit.request(
            "textsquare_answer",
            {**facts, "question": one},
            accept=answer,
            schema=record_of(answer=TEXT),
            pictures=pictures,
        )
        for one in listed
    ]
    pairs = list(zip(listed, (answer(reply.text) for reply in replies), strict=True))
    pairs, rejected = true_turns(source, pairs)
    known = [{**facts, "question": question, "answer": said} for question, said in pairs]
    replies = yield [
        kit.request("textsquare_reason", one, accept=reason, schema=record_of(reason=TEXT), pictures=pictures)
        for one in known
    ]
    reasons = [reason(reply.text) for reply in replies]
    schema = record_of(meaningful=TRUTH, right=TRUTH, reasoned=TRUTH)
    replies = yield [
        kit.request(
            "textsquare_evaluate", {**one, "reason": why}, accept=faults, schema=schema, pictures=pictures
        )
        for one, why in zip(known, reasons, strict=True)
    ]
    rows = []
    for place, (pair, why, reply) in enumerate(zip(pairs, reasons, replies, strict=True)):
        if wanting := faults(reply.text):
            rejected.append(
                Rejection(source.id, f"evaluated as not {', not '.join(wanting)}", json.dumps(pair))
            )
            continue
        kept, untrue = true_turns(source, [(WHY, why)])
        rejected += untrue
        rows.append(kit.record(NAME, source, [pair, *kept], suffix=f"-{place}"))
    return Built(tuple(rows), tuple(rejected))


BUILDER = PromptedBuilder(
    NAME,
    needs="OCR lines, or the image of a text",
    makes="questions about text with reasons",
    paper="TextSquare, arXiv 2404.12803",
    steps=steps,
    rules={
        "textsquare_question": offline.text_questions,
        "textsquare_answer": offline.text_answer,
        "textsquare_reason": offline.text_reason,
        "textsquare_evaluate": offline.all_true,
    },
)
