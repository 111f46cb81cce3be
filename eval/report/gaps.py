"""Scores over fewer items than a benchmark has, and why: in the words of the page and the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mmtune.wording import counted

_TOLD = 4
"""Different reasons of failures that a sentence tells."""


def gaps(results: Mapping[str, Any], called: Callable[[str], str] = str) -> list[str]:
    """A sentence for each task that is scored over fewer items than its files have.

    Args:
        results: as in ``metrics.json``.
        called: how a task's name is written.
    """
    sentences = []
    for name, task in results["tasks"].items():
        if task["n"] < task["of"]:
            sentence = f"{called(name)} is scored over {task['n']} of {counted(task['of'], 'item')}"
            reasons = []
            if task.get("items_without_verdict"):
                listed = f", listed in {task['judged_file']}" if task.get("judged_file") else ""
                without = counted(task["items_without_verdict"], "has", "have")
                reasons.append(f"{without} no verdict of the judge{listed}")
            if task.get("limit"):
                reasons.append(f"limited to {task['limit']} by the settings")
            if task.get("failed"):
                reasons.append(_failed(task))
            sentences.append(f"{sentence} ({'; '.join(reasons)})" if reasons else sentence)
    return sentences


def _failed(task: Mapping[str, Any]) -> str:
    """How many items failed, each different reason once with how often it was."""
    told = f"{task['failed']} failed"
    # Results of earlier versions have the first items' reasons alone.
    reasons = task.get("failure_reasons") or dict.fromkeys(task.get("failures", {}).values(), 1)
    shown = list(reasons.items())[:_TOLD]
    lines = [
        f"{reason.rstrip('.')}" + (f" ({times} like this)" if times > 1 else "") for reason, times in shown
    ]
    more = task["failed"] - sum(times for _, times in shown)
    if lines and more > 0:
        lines.append(f"and {more} more")
    return f"{told}: {'; '.join(lines)}" if lines else told
