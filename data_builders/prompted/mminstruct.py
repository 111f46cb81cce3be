"""``mminstruct``: a picture's domain, then a judgement, a choice, a short and a long question, corrected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from data_builders.draws import Draws
from data_builders.prompted import offline
from data_builders.prompted.base import Kit, PromptedBuilder, Source, true_turns
from data_builders.prompted.contexts import known
from data_builders.prompted.parsing import (
    TEXT,
    TRUTH,
    array,
    json_object,
    number,
    record_of,
    sentence,
    text_list,
    truth,
)
from data_builders.teachers.base import UnusableError
from data_builders.teachers.building import Built, Rejection, Steps

NAME = "mminstruct"
KINDS = ("judgement", "choice", "short", "long")
LETTERS = "ABCD"
_PAIR = record_of(question=TEXT, answer=TEXT)
_CHOICE = record_of(question=TEXT, options=array(TEXT, 4, 4), right={"type": "integer"})


def domain_of(text: str, domains: Sequence[str]) -> tuple[str, str]:
    """The domain, which must be of the list, and the description."""
    row = json_object(text, ["domain", "description"])
    if row["domain"] not in domains:
        raise UnusableError(f"{row['domain']!r} is none of the domains")
    return row["domain"], sentence(row["description"])


def questions(text: str) -> dict[str, Mapping[str, Any]]:
    """One question of each kind, each in its own form."""
    row = json_object(text, KINDS)
    found: dict[str, Mapping[str, Any]] = {}
    for kind in ("judgement", "short", "long"):
        if not isinstance(row[kind], dict) or set(row[kind]) != {"question", "answer"}:
            raise UnusableError(f"the {kind} question is not a question and an answer")
        answer = checked(kind, row[kind]["answer"])
        found[kind] = {"question": sentence(row[kind]["question"]), "answer": answer}
    choice = row["choice"]
    if not isinstance(choice, dict) or set(choice) != {"question", "options", "right"}:
        raise UnusableError("the choice is not a question, options and the right one")
    options = text_list(choice["options"], 4, 4)
    right = options[number(choice["right"], 1, 4) - 1]
    found["choice"] = {"question": sentence(choice["question"]), "options": options, "answer": right}
    return found


def checked(kind: str, answer: Any) -> str:
    """An answer in the form of its kind.

    Raises:
        UnusableError: for a judgement that is neither yes nor no, a short answer that is long, and so on.
    """
    answer = sentence(answer)
    if kind == "judgement":
        if answer.lower().rstrip(".") not in ("yes", "no"):
            raise UnusableError("a judgement is neither yes nor no")
        return answer.rstrip(".").capitalize()
    if kind == "short" and len(answer.split()) > 8:
        raise UnusableError("a short answer has more than eight words")
    if kind == "long" and len(answer.split()) < 12:
        raise UnusableError("a long answer has fewer than twelve words")
    return str(answer)


def correction(text: str, kind: str, options: Sequence[str] = ()) -> str | None:
    """The corrected answer, None where the question is to be dropped."""
    row = json_object(text, ["drop", "answer"])
    if truth(row["drop"]):
        return None
    answer = checked(kind, row["answer"])
    if options and answer not in options:
        raise UnusableError("the corrected choice is none of the options")
    return answer


def steps(source: Source, kit: Kit) -> Steps:
    """Domain and description, questions, a correction of each answer."""
    scene, pictures = source.scene, kit.pictures(source.scene)
    domains = kit.prompts.lines("mminstruct_domains")
    facts: dict[str, Any] = {"facts": known(scene, seen=bool(pictures)), "scene": scene}
    read = partial(domain_of, domains=domains)
    asked = kit.request(
        "mminstruct_domain",
        {**facts, "domains": domains},
        accept=read,
        schema=record_of(domain={"type": "string", "enum": domains}, description=TEXT),
        pictures=pictures,
    )
    (reply,) = yield [asked]
    domain, description = read(reply.text)
    facts |= {"domain": domain, "description": description}
    schema = record_of(judgement=_PAIR, choice=_CHOICE, short=_PAIR, long=_PAIR)
    (reply,) = yield [
        kit.request("mminstruct_questions", facts, accept=questions, schema=schema, pictures=pictures)
    ]
    found = questions(reply.text)
    readers = {kind: partial(correction, kind=kind, options=found[kind].get("options", ())) for kind in KINDS}
    schema = record_of(drop=TRUTH, answer=TEXT)
    replies = yield [
        kit.request(
            "mminstruct_correct",
            {**facts, **found[kind]},
            accept=readers[kind],
            schema=schema,
            pictures=pictures,
        )
        for kind in KINDS
    ]
    rows, rejected = [], []
    for kind, reply in zip(KINDS, replies, strict=True):
        answer, question = readers[kind](reply.text), str(found[kind]["question"])
        if answer is None:
            rejected.append(Rejection(source.id, "dropped by the correction", question))
            continue
        kept, untrue = true_turns(source, [(question, answer)])
        rejected += untrue
        if kept:
            turn = _asked(kind, question, answer, found[kind].get("options", ()), kit, source)
            more = {"kind": kind, "domain": domain, "corrected": answer != found[kind]["answer"]}
            rows.append(kit.record(NAME, source, [turn], suffix=f"-{kind}", **more))
    return Built(tuple(rows), tuple(rejected))


def _asked(
    kind: str, question: str, answer: str, options: Sequence[str], kit: Kit, source: Source
) -> tuple[str, str]:
    """The question with what form its answer is to have; options stand in an order that is drawn."""
    if kind == "choice":
        order = list(options)
        Draws(kit.seed, *source.id.encode()).shuffle(order)
        lines = [f"{letter}. {option}" for letter, option in zip(LETTERS, order, strict=True)]
        right = LETTERS[order.index(answer)]
        return "\n".join([question, *lines, "Answer with the letter of the right option."]), right
    forms = {"judgement": "\nAnswer yes or no.", "short": "\nAnswer in a few words.", "long": ""}
    return question + forms[kind], answer


BUILDER = PromptedBuilder(
    NAME,
    needs="captions or objects",
    makes="a judgement, a choice, a short and a long question",
    paper="MMInstruct, arXiv 2407.15838",
    steps=steps,
    rules={
        "mminstruct_domain": offline.domain,
        "mminstruct_questions": offline.four_kinds,
        "mminstruct_correct": offline.as_it_was,
    },
)
