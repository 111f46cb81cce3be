"""From answers that exist to a score, by a judge: no model that is evaluated, and no torch.

A folder of judgements holds ``judgements.jsonl`` (every raw reply, behind a line that says who judged, by
which prompt and settings), ``verdicts.jsonl`` (a row an item), ``judged.json`` (the score), and what was paid
for in ``replies.sqlite``, from where a run that was killed, or met an endpoint that was down, goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data_builders.teachers.opening import BATCHES, hired
from eval.json_files import write_json, write_rows
from eval.judges.agreement import VERDICTS
from eval.judges.asking import Interview, Protocol, interview
from eval.judges.checklist import Checklists
from eval.judges.checklist_writing import checklists_for
from eval.judges.judgements import NAME, write_judgements
from eval.judges.judging import Judging, hiring_for, marking_of, protocol_of, rules_of
from eval.judges.marking import Case, Marking
from eval.judges.prompts import prompt_of
from eval.judges.replay import replayed
from eval.judges.result import header_of, result_of
from mmtune.errors import UserError
from mmtune.wording import counted

log = logging.getLogger(__name__)

RESULT = "judged.json"
_LOGGED = 3
_SEND = "send the files in {0}/requests, put what comes back into {0}/results, and run the same command again"


def judge(case: Case, how: Judging, out: Path, described: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Have answers judged, or judgements scored again, and write the folder.

    Args:
        case: benchmark and answers.
        how: who judges, and how.
        out: the folder.
        described: further fields of the result and of the judgements' header, as where the answers come from.

    Returns:
        ``{"task", "mode", "n" (items behind the score), "of", "answered", "complete", "missing",
        "without_verdict" (item → reason, of all), "unparsed" (replies), "metrics": {metric: {value, low,
        high, n, clusters}}, "by", "runs", "orders", "judge": {"models" (as the server reported, with how
        often each answered), "prompt", "settings", …}, …}``.

    Raises:
        UserError: for files that do not belong together; answers, prompt or settings that are not those of
            the judgements that are replayed; and, after what is known has been written, for a judge that is
            down, refuses the key or has spent the budget, or if no item got a verdict.
    """
    described = dict(described or {})
    out.mkdir(parents=True, exist_ok=True)
    if how.replay is not None:
        how, marking, protocol, header, found = replayed(case, how, how.replay)
        return _finish(case, how, marking, protocol, {**header, **described}, found, out)
    (out / RESULT).unlink(missing_ok=True)  # a run that dies must not leave the score of an earlier one
    if how.hiring is None:
        raise RuntimeError("somebody judges")
    checklists: Checklists = {}
    if how.mode == "checklist":
        checklists = checklists_for(case, how, how.hiring, out)
    marking = marking_of(case, how, checklists)
    prompt = prompt_of(marking.prompt, marking.needs, marking.knows, how.prompt)
    protocol = protocol_of(case, how, how.hiring, marking, prompt)
    with hired(hiring_for(how, how.hiring, marking), out, rules_of(marking)) as teacher:
        found = interview(teacher, marking.questions(), protocol)
        header = header_of(case, how, protocol, teacher.identity, checklists, described)
    return _finish(case, how, marking, protocol, header, found, out)


def _finish(
    case: Case,
    how: Judging,
    marking: Marking,
    protocol: Protocol,
    header: Mapping[str, Any],
    found: Interview,
    out: Path,
) -> dict[str, Any]:
    write_judgements(out / NAME, header, found.judgements)
    replies = found.replies()
    marked = marking.mark(replies, protocol.runs, how.sampling)
    write_rows(out / VERDICTS, marked.verdicts)
    result = result_of(case, how, marking, header, found, marked)
    write_json(out / RESULT, result)
    for item, reason in list(result["without_verdict"].items())[:_LOGGED]:
        log.warning("item %s has no verdict: %s", item, reason)
    if found.stopped is not None:
        raise found.stopped
    if not marked.items:
        reason = next(iter(result["without_verdict"].values()), "nothing was asked").rstrip(".")
        fix = _SEND.format(out / BATCHES) if reason.startswith("waiting") else None
        raise UserError(
            f"None of the {counted(len(case.items), 'item')} got a verdict: {reason}", str(out / NAME), fix
        )
    return result
