"""Where a metric is undefined: under which conditions, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from eval.reliability.reading import said_yes, true_yes
from eval.robustness.base import Outcomes
from eval.robustness.paired import joined
from eval.tasks import Task

NO_YES = "no answer says yes where that is true"
NOTHING = "there is nothing to take it of"


def undefined(task: Task, tables: Mapping[str, Outcomes], ids: Sequence[str]) -> dict[str, str]:
    """Conditions under which the primary metric of these items is undefined, and why, as F1 without a yes.

    Args:
        task: whose metric.
        tables: condition → outcomes.
        ids: of items that were answered under all of them.

    Returns:
        condition → reason; empty for a task without a score.
    """
    if not ids or task.needs_judge:
        return {}
    return {name: _reason(task, table, ids) for name, table in tables.items() if _is_nan(task, table, ids)}


def _is_nan(task: Task, table: Outcomes, ids: Sequence[str]) -> bool:
    scored = joined(task, table, ids)
    names = dict.fromkeys(name for one in scored for name in one.counts)
    totals = {name: np.array([sum(one.counts.get(name, 0.0) for one in scored)]) for name in names}
    return bool(totals) and bool(np.isnan(task.aggregate(totals).get(task.primary, np.zeros(1))[0]))


def _reason(task: Task, table: Outcomes, ids: Sequence[str]) -> str:
    asked = [(true_yes(table.scored[key].item), table.answers[key].text) for key in ids]
    if any(true is None for true, _ in asked):
        return NOTHING
    return NOTHING if any(true and said_yes(task, text) for true, text in asked) else NO_YES
