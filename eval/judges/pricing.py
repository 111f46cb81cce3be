"""What judging would cost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from data_builders.teachers.base import Request, fingerprint
from data_builders.teachers.cache import ReplyStore
from data_builders.teachers.ledger import price_text
from data_builders.teachers.opening import CACHE, Hiring
from eval.judges.asking import cost
from eval.judges.checklist_writing import ChecklistWriting, known_checklists
from eval.judges.judging import Judging, marking_of, protocol_of
from eval.judges.marking import Case, Marking
from eval.judges.prompts import prompt_of
from mmtune.errors import UserError


def estimate_of(case: Case, how: Judging, out: Path) -> dict[str, Any]:
    """What ``judge`` would ask, without asking: ``{requests, prompt_tokens, completion_tokens, price}``.

    Replies in the folder are not asked again; the attempts after one that cannot be read are not foreseen,
    nor the checks of checklists that are still to be written.
    """
    if how.hiring is None:
        raise UserError("Nobody would be asked", "--dry-run", "name the judge with --judge")
    writing = how.mode == "checklist" and how.checklists is None
    known_lists = known_checklists(how, out) if how.mode == "checklist" else {}
    marking: Marking = ChecklistWriting(case, known_lists) if writing else marking_of(case, how, known_lists)
    prompt = prompt_of(marking.prompt, marking.needs, marking.knows, None if writing else how.prompt)
    protocol = protocol_of(case, how, how.hiring, marking, prompt)
    questions = marking.questions()
    path = how.hiring.cache or out / CACHE
    if not path.is_file() or how.hiring.teacher == "rules":
        number, usage = cost(questions, protocol, lambda request: False)
    else:
        store = ReplyStore(path)
        try:
            number, usage = cost(questions, protocol, _known(store, how.hiring))
        finally:
            store.close()
    return {
        "requests": number,
        "known": len(questions) * protocol.runs - number,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "price": price_text(how.hiring.price, usage),
        "more_attempts": protocol.attempts - 1,
        "checks_to_come": writing,
    }


def _known(store: ReplyStore, hiring: Hiring) -> Callable[[Request], bool]:
    """Whether an endpoint's reply to a request is in the store."""
    identity = {"kind": "openai", "endpoint": hiring.teacher.rstrip("/"), "model": hiring.model}
    return lambda request: store.get(fingerprint(request, identity), "") is not None
