"""Answers in the words of the model that is to learn from them, kept only where they still say the same.

The prompts are in ``restyle_write.txt`` and ``restyle_review.txt`` beside this file, for anybody to edit.

Source: the second half of Align²LLaVA (Huang et al.): the language model inside the model that is tuned
rewrites the chosen instructions in its own style, and reviews what it wrote.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from data_builders.problems import Problem, problem_of
from data_builders.rows import iter_rows
from data_builders.teachers.base import Message, Request, Settings, UnusableError
from data_builders.teachers.building import Built, Rejection, Report, Steps, Unit, build
from data_builders.teachers.opening import Hiring, hired
from mmtune.errors import RecordError, UserError
from mmtune.records import IMAGE_PLACEHOLDER, Record, Turn, to_llava

_BINDING = ("licence", "license", "parent", "parents")
WRITE, REVIEW = "restyle_write", "restyle_review"


def restyle(path: Path, folder: Path, hiring: Hiring) -> tuple[Report, list[Problem]]:
    """Have a teacher say the answers of a file in its own words; the same call goes on where one ended.

    The folder gets ``records.jsonl``: the rows with the answers that passed the review, each under a new id
    and with its parent. Answers that did not pass stay as they were; ``rejected.jsonl`` lists them.

    Args:
        path: LLaVA JSON or JSON Lines.
        folder: of this build.
        hiring: the model that is to be tuned, as a teacher.

    Returns:
        How it ended, and the rows that are no records.

    Raises:
        UserError: as ``data_builders.teachers.building.build``.
    """
    prompts = hashlib.sha256((_text(WRITE) + _text(REVIEW)).encode()).hexdigest()[:16]
    description = {"restyle": prompts, "settings": vars(hiring.settings)}
    problems: list[Problem] = []
    with hired(hiring, folder, {WRITE: _repeated, REVIEW: _all_same}) as teacher:
        units = _units(path, hiring.settings, problems, dict(teacher.identity))
        try:
            report = build(units, teacher, folder, description=description, at_once=4 * hiring.concurrency)
        except UserError as error:
            if not problems or error.fix is not None:
                raise
            reason = f"{len(problems)} rows are no records, the first: {problems[0]}"
            raise UserError(error.what, error.where, reason) from error
    return report, problems


def steps(record: Record, how: Settings, teacher: dict[str, Any]) -> Steps:
    """One request for all answers of a record, and one that reviews them."""
    answers = _answers(record)
    (reply,) = yield [_write_request(record, answers, how)]
    written = _texts(reply.text, len(answers))
    (reply,) = yield [_review_request(record, answers, written, how)]
    same = _verdicts(reply.text, len(answers))
    rejected = tuple(
        Rejection(record.id, "the rewritten answer does not say the same", f"{before} -> {after}")
        for before, after, kept in zip(answers, written, same, strict=True)
        if not kept
    )
    return Built((_row(record, written, same, teacher),), rejected)


def _row(
    record: Record, written: Sequence[str], same: Sequence[bool], teacher: dict[str, Any]
) -> dict[str, Any]:
    texts = iter(zip(written, same, strict=True))
    turns = []
    for turn in record.turns:
        if turn.role == "assistant":
            text, kept = next(texts)
            turn = Turn(turn.role, text) if kept else turn
        turns.append(turn)
    # With its own parents, whose licences bind what was made of it, too.
    stated = {key: record.meta[key] for key in _BINDING if key in record.meta}
    parent = {"id": record.id, **stated}
    meta = {**record.meta, "parents": [parent], "restyled": list(same), "restyled_by": teacher}
    made = Record(f"{record.id}-restyled", tuple(turns), record.images, meta)
    made.check()
    return to_llava(made)


def _units(path: Path, how: Settings, problems: list[Problem], teacher: dict[str, Any]) -> Iterator[Unit]:
    for row in iter_rows(path):
        try:
            record = row.record()
        except RecordError as error:
            problems.append(problem_of(error, row.number))
            continue
        name = f"row {row.number}, record {record.id}"
        yield Unit(name, hashlib.sha256(row.text).hexdigest(), _start(record, how, teacher))


def _start(record: Record, how: Settings, teacher: dict[str, Any]) -> Callable[[], Steps]:
    return lambda: steps(record, how, teacher)


def _answers(record: Record) -> list[str]:
    return [turn.text for turn in record.turns if turn.role == "assistant"]


def _write_request(record: Record, answers: list[str], how: Settings) -> Request:
    said = "\n".join(f"{turn.role}: {_shown(turn)}" for turn in record.turns)
    text = _text(WRITE).replace("{count}", str(len(answers))).replace("{conversation}", said)
    schema = _list_of("answers", "string", len(answers))
    return Request(
        WRITE,
        (Message("user", text),),
        how,
        schema,
        lambda reply: _texts(reply, len(answers)),
        WRITE,
        {"answers": answers},
    )


def _review_request(record: Record, answers: list[str], written: list[str], how: Settings) -> Request:
    asked = [_shown(turn) for turn in record.turns if turn.role == "user"]
    pairs = "\n\n".join(
        f"{number}. Question: {question}\nFirst version: {before}\nSecond version: {after}"
        for number, (question, before, after) in enumerate(zip(asked, answers, written, strict=True), start=1)
    )
    text = _text(REVIEW).replace("{count}", str(len(answers))).replace("{pairs}", pairs)
    schema = _list_of("same", "boolean", len(answers))
    return Request(
        REVIEW,
        (Message("user", text),),
        how,
        schema,
        lambda reply: _verdicts(reply, len(answers)),
        REVIEW,
        {"answers": answers},
    )


def _shown(turn: Turn) -> str:
    return turn.text.replace(IMAGE_PLACEHOLDER, "").strip()


def _list_of(name: str, kind: str, count: int) -> dict[str, Any]:
    listed = {"type": "array", "items": {"type": kind}, "minItems": count, "maxItems": count}
    return {
        "type": "object",
        "properties": {name: listed},
        "required": [name],
        "additionalProperties": False,
    }


def _texts(reply: str, count: int) -> list[str]:
    found = _listed(reply, "answers", count)
    for text in found:
        if not isinstance(text, str) or not text.strip():
            raise UnusableError("an answer is missing or empty")
        if IMAGE_PLACEHOLDER in text:
            raise UnusableError(f"an answer holds {IMAGE_PLACEHOLDER}")
    return [text.strip() for text in found]


def _verdicts(reply: str, count: int) -> list[bool]:
    found = _listed(reply, "same", count)
    if not all(isinstance(one, bool) for one in found):
        raise UnusableError("a verdict is neither true nor false")
    return found


def _listed(reply: str, name: str, count: int) -> list[Any]:
    try:
        value = json.loads(reply)
    except ValueError as error:
        raise UnusableError(f"the answer is not JSON: {error}") from error
    listed = value.get(name) if isinstance(value, dict) else None
    if not isinstance(listed, list) or len(listed) != count:
        raise UnusableError(f"the answer has not {count} {name}")
    return listed


def _text(name: str) -> str:
    return (Path(__file__).parent / f"{name}.txt").read_text(encoding="utf-8")


def _repeated(request: Request) -> str:
    """The answers as they are: a rule for tests and dry runs."""
    return json.dumps({"answers": request.facts["answers"]})


def _all_same(request: Request) -> str:
    return json.dumps({"same": [True for _ in request.facts["answers"]]})
