"""Where checklists come from: a file, or a judge that reads the instructions alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from data_builders.teachers.opening import Hiring, hired
from eval.json_files import read_rows, write_rows
from eval.judges.asking import Place, interview
from eval.judges.base import Question
from eval.judges.checklist import Check, Checklists
from eval.judges.judgements import write_judgements
from eval.judges.judging import Judging, hiring_for, protocol_of, rules_of
from eval.judges.marking import Case, Marked, Marking, instruction
from eval.judges.prompts import prompt_of
from eval.metrics.instruction_following import CHECKS
from eval.metrics.judged import parse_checklist
from eval.scoring import Sampling
from eval.tasks.official_files import fields
from mmtune.errors import UserError, unknown

FILE = "checklists.jsonl"
WRITING = "writing.jsonl"
"""Judgements of the interview in which checklists were written."""


class ChecklistWriting(Marking):
    """Has a judge write the checklists from the instructions alone, before it sees any answer.

    Args:
        case: its items.
        known: checklists that there are already.

    Source: Cook et al., TICKing All the Boxes.
    """

    name = "checklist_write"
    prompt = "checklist_write"
    needs = frozenset({"question"})
    max_tokens = 512
    attempts = 2

    def __init__(self, case: Case, known: Checklists) -> None:
        self._items = [item for item in case.answered() if item.id not in known]

    def questions(self) -> list[Question]:
        return [Question(item.id, "write", {"question": instruction(item)}, "") for item in self._items]

    def readable(self, reply: str) -> bool:
        return bool(parse_checklist(reply))

    def rule(self, facts: Mapping[str, str]) -> str:
        words = [word.strip("?.,!") for word in facts["question"].split() if len(word.strip("?.,!")) > 4]
        return "\n".join(f"{n}. Is {word} spoken of?" for n, word in enumerate(words or ["it"], start=1))

    def mark(self, replies: Mapping[Place, str], runs: int, sampling: Sampling) -> Marked:
        raise NotImplementedError("checklists are written, not marked")

    def written(self, replies: Mapping[Place, str]) -> dict[str, list[Check]]:
        """The checklists; an item whose reply holds no question has none."""
        found = {
            item: list[Check](parse_checklist(text)) for (item, _, run), text in replies.items() if not run
        }
        return {item: checks for item, checks in found.items() if checks}


def read_checklists(path: Path) -> dict[str, list[Check]]:
    """Checklists from rows of {id, checklist: [question or [name, argument], …]}.

    Raises:
        UserError: for a file that cannot be read, an id that stands there twice, or a check that is neither.
    """
    found: dict[str, list[Check]] = {}
    for number, row in enumerate(read_rows(path), start=1):
        identity, checks = fields(row, ("id", "checklist"), path, number)
        where = f"{path}, row {number}"
        if str(identity) in found:
            raise UserError(f"The id {identity} stands there twice", where, "keep one")
        if not isinstance(checks, list) or not checks:
            raise UserError("The checklist is no list of checks", where, "write at least one")
        for check in checks:
            _check(check, where)
        found[str(identity)] = checks
    return found


def _check(check: Any, where: str) -> None:
    if isinstance(check, str) and check.strip():
        return
    if not isinstance(check, list) or len(check) != 2 or not isinstance(check[0], str):
        raise UserError(
            f"The check {check!r} is neither a question nor [name, argument]", where, "mend the row"
        )
    if check[0] not in CHECKS:
        raise unknown("check", check[0], CHECKS, where)
    try:
        CHECKS[check[0]]("A sentence.", check[1])
    except (TypeError, ValueError) as error:
        raise UserError(
            f"The check {check[0]} cannot be done with {check[1]!r}: {error}", where, "mend its argument"
        ) from error


def checklists_for(case: Case, how: Judging, hiring: Hiring, out: Path) -> Checklists:
    """Those of the user, or those in the folder, with what the judge writes where there is none."""
    known = known_checklists(how, out)
    if how.checklists is not None:
        return known
    writing = ChecklistWriting(case, known)
    prompt = prompt_of(writing.prompt, writing.needs)
    protocol = protocol_of(case, replace(how, runs=1, show_images=False), hiring, writing, prompt)
    with hired(hiring_for(how, hiring, writing), out, rules_of(writing)) as teacher:
        found = interview(teacher, writing.questions(), protocol)
        described = {"judge": dict(teacher.identity), "prompt": prompt.described()}
    if found.judgements:
        write_judgements(out / WRITING, described, found.judgements)
    questions = {item.id: item.question for item in case.items}
    lists = dict(known) | writing.written(found.replies())
    write_rows(
        out / FILE,
        [
            {"id": name, "question": questions[name], "checklist": lists[name]}
            for name in questions
            if name in lists
        ],
    )
    if found.stopped is not None:
        raise found.stopped
    return lists


def known_checklists(how: Judging, out: Path) -> Checklists:
    """Those of the user, or those that an earlier run wrote into the folder."""
    path = how.checklists or out / FILE
    if how.checklists is None and not path.is_file():
        return {}
    return read_checklists(path)
