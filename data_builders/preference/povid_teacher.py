"""``povid_teacher``: a teacher names plausible hallucinations, which go into the truth if they are false."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data_builders.preference import offline
from data_builders.preference.asking import (
    PROMPTS,
    draws_of,
    facts_for,
    instructions,
    pair_row,
    pictures_of,
    prompt_of,
    question_in,
    rejection,
    untrue,
)
from data_builders.preference.injecting import choose, text_of, true_facts
from data_builders.preference.spans import Span, check_spans, replaced
from data_builders.preference.statements import KINDS
from data_builders.programs.view import View
from data_builders.prompted.base import Kit, PromptedBuilder, Source
from data_builders.prompted.claims import check_answer
from data_builders.prompted.parsing import TEXT, TRUTH, array, json_object, record_of, sentence, truth
from data_builders.teachers.base import UnusableError
from data_builders.teachers.building import Built, Rejection, Steps
from mmtune.errors import UserError

NAME = "povid_teacher"
_MOST_EDITS = 8
_MOST_FACTS = 6
_SCHEMA = record_of(edits=array(record_of(kind=TEXT, true=TEXT, false=TEXT), 1, _MOST_EDITS))


def truth_of(source: Source, kit: Kit) -> tuple[str, str]:
    """The question's instruction (empty where the record asks) and an answer that is taken for true.

    It is the record's first answer, else the longest caption, else what programs can say of the scene.

    Raises:
        UserError: if there is none of these.
    """
    if source.record is not None:
        said = [turn.text for turn in source.record.turns if turn.role == "assistant"]
        return "", said[0].strip()
    draws = draws_of(kit, source, NAME)
    instruction = draws.choice(instructions())
    captions = [" ".join(caption.split()) for caption in source.scene.captions if caption.strip()]
    if captions:
        return instruction, max(captions, key=len)
    facts = true_facts(View(source.scene), draws) if source.scene.objects else {}
    text = text_of(choose(facts, _MOST_FACTS))
    if not text:
        what = "there is no true answer to start from: no record, no caption, nothing that can be said"
        raise UserError(what, f"scene {source.scene.id!r}")
    return instruction, text


def read_edits(text: str, answer: str) -> list[Span]:
    """The edits that a teacher named, which must fit the answer.

    Raises:
        UnusableError: as ``check_spans``, or for another form.
    """
    rows = json_object(text, ["edits"])["edits"]
    if not isinstance(rows, list) or not 1 <= len(rows) <= _MOST_EDITS:
        raise UnusableError(f"'edits' is not a list of 1 to {_MOST_EDITS}")
    spans = []
    for row in rows:
        if not isinstance(row, dict) or set(row) != {"kind", "true", "false"} or row["kind"] not in KINDS:
            raise UnusableError(f"an edit has not kind ({', '.join(KINDS)}), true and false")
        spans.append(Span(row["kind"], sentence(row["true"], 200), sentence(row["false"], 200)))
    check_spans(answer, spans)
    return spans


def says_false(text: str) -> bool:
    """Whether the judge found an altered answer false."""
    return truth(json_object(text, ["false"])["false"])


def steps(source: Source, kit: Kit) -> Steps:
    """One request for the edits; a judge only for those of which the scene cannot tell."""
    pictures = pictures_of(source, kit)
    instruction, answer = truth_of(source, kit)
    prompt = prompt_of(source, instruction=instruction)
    question = question_in(prompt)
    if reasons := untrue(source, question, answer):
        return Built(
            (), (rejection(source, f"what is to be the truth is untrue: {'; '.join(reasons)}", answer),)
        )
    facts = {**facts_for(source, pictures), "question": question, "answer": answer, "most": 3}
    (reply,) = yield [
        kit.request(
            NAME, facts, accept=lambda text: read_edits(text, answer), schema=_SCHEMA, pictures=pictures
        )
    ]
    spans = read_edits(reply.text, answer)
    shown: dict[Span, Mapping[str, Any]] = {}
    for span in spans:
        if against := contradictions(source, question, answer, span):
            shown[span] = {"shown_by": "scene", "reason": "; ".join(against)}
    unknown = [span for span in spans if span not in shown]
    judged = [{**facts, "altered": replaced(answer, [span]), "span": span} for span in unknown]
    replies = yield [
        kit.request("povid_judge", asked, accept=says_false, schema=record_of(false=TRUTH), pictures=pictures)
        for asked in judged
    ]
    rejected: list[Rejection] = []
    for span, verdict in zip(unknown, replies, strict=True):
        if says_false(verdict.text):
            shown[span] = {"shown_by": "labeller"}
        else:
            rejected.append(
                rejection(source, "nothing shows that the edit is false", f"{span.true} -> {span.false}")
            )
    kept = [span for span in spans if span in shown]
    if not kept:
        return Built((), tuple(rejected))
    edits = [{"kind": s.kind, "true": s.true, "false": s.false, **shown[s]} for s in kept]
    answers = (answer, replaced(answer, kept))
    row = pair_row(
        kit, NAME, source, prompt, answers, facts=[{"text": answer}], edits=edits, margin=float(len(kept))
    )
    return Built((row,), tuple(rejected))


def contradictions(source: Source, question: str, answer: str, span: Span) -> list[str]:
    """What the scene says against one edit alone."""
    return list(check_answer(question, replaced(answer, [span]), source.scene).proven)


BUILDER = PromptedBuilder(
    NAME,
    needs="records with a true answer, captions or objects",
    makes="pairs of an answer and the same with hallucinations that a teacher names and the scene refutes",
    paper="POVID, arXiv 2402.11411",
    steps=steps,
    rules={NAME: offline.named_edits, "povid_judge": offline.edit_is_false},
    prompts=PROMPTS,
    labelled=frozenset({"povid_judge"}),
)
