"""What a report says of the judge behind a score, as it stands in ``judged.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eval.report.numbers import label, number
from mmtune.wording import agreeing

UNPARSED = "replies of the judge that could not be read"
"""What ``unparsed`` is among a judged benchmark's metrics: the model's answers can all be read by a judge."""


def judge_notes(task: Mapping[str, Any]) -> list[str]:
    """Sentences under the judge's name: that rules stood in for one, replies that could not be read, runs.

    Args:
        task: its part of the results; one that no judge marked has none.
    """
    judge = task.get("judge")
    if judge is None:
        return []
    notes = []
    if judge["asked"]["kind"] == "rules":
        notes.append("no model judged: rules did, and these figures are a rehearsal")
    if task["unparsed"]:
        notes.append(f"{task['unparsed']} of {task['replies']} replies could not be read{unread_as(task)}")
    runs = task.get("runs")
    if runs and runs["n"] > 1 and runs["mean"] is not None:
        spread = f"{number(runs['mean'])} ± {number(runs['std'])}"
        notes.append(f"{runs['n']} runs of the judge: {label(runs['metric'])} {spread}")
    return notes


def unread_as(task: Mapping[str, Any]) -> str:
    """What follows "could not be read": what the official script takes such a reply for."""
    return (
        f" and {agreeing(task['unparsed'], 'counts', 'count')} as {task['unread_as']}"
        if task.get("unread_as")
        else ""
    )
