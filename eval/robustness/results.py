"""What ``metrics.json`` says of the robustness checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eval.collecting import Collected
from eval.predictions import Predictions
from eval.reliability.reading import told
from eval.robustness.base import Outcomes, Study
from eval.robustness.paired import common, difference, joined, shares
from eval.robustness.planning import Planned, table_of
from eval.scoring import Sampling, Scored, cluster, score_table
from eval.tasks import Task

_FAILURES_LISTED = 5


def robustness(
    planned: Planned, tasks: Mapping[str, Task], collected: Collected, sampling: Sampling
) -> dict[str, Any]:
    """All checks of all tasks.

    Args:
        planned: what was asked.
        tasks: name → task.
        collected: what was answered.
        sampling: how intervals are drawn.

    Returns:
        task → check → {"title", "of", "conditions": {condition: {n, of, failed, failures, metrics, clean,
        difference, changed}}, "summary"}, or {"title", "lacking"} where the check asks nothing of the task.
        A check's ``of`` are all items of the run, a condition's those that it applies to, ``n`` those that
        were answered here and in the clean run, which alone are compared; ``difference`` is the metric here
        less the clean one.
    """
    return {name: _task(planned, name, task, collected, sampling) for name, task in tasks.items()}


def _task(
    planned: Planned, name: str, task: Task, collected: Collected, sampling: Sampling
) -> dict[str, Any]:
    clean = _outcomes(collected.predictions, name, None)
    shuffled = _blind(collected.predictions, name)
    book = collected.predictions.altered
    found: dict[str, Any] = {}
    for kind in planned.kinds:
        if (name, kind.name) in planned.lacking:
            found[kind.name] = {"title": kind.title, "lacking": planned.lacking[name, kind.name]}
            continue
        altered = {}
        for condition in kind.conditions():
            table = table_of(name, condition)
            if table in planned.notes and book is not None:
                altered[condition] = _outcomes(book, table, planned.notes[table])
        conditions = {c: _condition(task, clean, outcomes, sampling) for c, outcomes in altered.items()}
        study = Study(task, clean, altered, sampling)
        found[kind.name] = {
            "title": kind.title,
            "of": len(clean.notes),
            "conditions": conditions,
            "summary": kind.summary(study),
        }
        if kind.name == "no-image" and shuffled.scored:
            found[kind.name]["conditions"]["shuffled"] = _condition(task, clean, shuffled, sampling)
    return found


def _condition(task: Task, clean: Outcomes, outcomes: Outcomes, sampling: Sampling) -> dict[str, Any]:
    ids = common((outcomes, clean))
    found: dict[str, Any] = {
        "n": len(ids),
        "of": len(outcomes.notes),
        "failed": len(outcomes.failed),
        "failures": dict(list(outcomes.failed.items())[:_FAILURES_LISTED]),
        "metrics": _table(task, outcomes, ids, sampling),
        "clean": _table(task, clean, ids, sampling),
        "difference": difference(task, clean, outcomes, sampling),
    }
    if ids:
        counts = {"changed": [_changed(task, clean, outcomes, key) for key in ids], "items": [1.0] * len(ids)}
        images = [cluster(clean.scored[key].item) for key in ids]
        found |= shares(counts, "items", images, sampling)
    return found


def _table(task: Task, outcomes: Outcomes, ids: Sequence[str], sampling: Sampling) -> dict[str, Any]:
    """Metrics over these items; none of answers that await a judge."""
    return {} if task.needs_judge else score_table(task, joined(task, outcomes, ids), sampling)


def _changed(task: Task, clean: Outcomes, outcomes: Outcomes, key: str) -> float:
    before, after = (
        told(task, table.scored[key].item, table.answers[key].text) for table in (clean, outcomes)
    )
    return float(before != after)


def _outcomes(book: Predictions, table: str, notes: Mapping[str, Mapping[str, Any]] | None) -> Outcomes:
    """What is kept under a name; without notes, every item was asked."""
    scored = {one.item.id: one for one in book.seen(table)}
    failed = book.failed(table)
    asked = {key: {} for key in (*scored, *failed)} if notes is None else notes
    return Outcomes(scored, book.answers(table), asked, failed)


def _blind(book: Predictions, task: str) -> Outcomes:
    """The blind baseline, as a condition."""
    scored: dict[str, Scored] = {one.item.id: one for one in book.unseen(task)}
    answers = book.answers(task, blind=True)
    return Outcomes(scored, answers, {key: {} for key in scored}, {})
