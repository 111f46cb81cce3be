"""What a run looks like at a glance: a radar over its tasks, bars over the kinds of a task's items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from eval.report.numbers import Metric, label, spaced, title
from eval.report.shapes import Bar, Outline, bars, radar

_MOST_AXES = 24
_MOST_BARS = 40


def share_axis(name: str, task: Mapping[str, Any]) -> tuple[str, bool] | None:
    """The axis of a task whose primary metric goes from 0 to 1: its name, and whether it is turned round, so
    that outside is always better. None for other tasks."""
    primary = task["primary"]
    if primary in task.get("not_shares", ()) or primary not in task["metrics"]:
        return None
    turned = primary in task["lower_is_better"]
    metric = label(primary)
    return f"{title(name)}, {f'1 − {metric}' if turned else metric}", turned


def run_radar(results: Mapping[str, Any]) -> Markup:
    """The primary metrics of a run's tasks as a radar, with the blind baseline where all have one."""
    axes: list[str] = []
    seen: list[float] = []
    blind: list[float | None] = []
    for name, task in results["tasks"].items():
        axis = share_axis(name, task)
        value = _share(task["metrics"].get(task["primary"]))
        if axis is None or value is None:
            continue
        axes.append(axis[0])
        seen.append(1 - value if axis[1] else value)
        base = _share((task["blind"] or {}).get(task["primary"]))
        blind.append(None if base is None else 1 - base if axis[1] else base)
    known = [base for base in blind if base is not None]
    outlines = [Outline("model", tuple(seen[:_MOST_AXES]))]
    if len(known) == len(seen):
        outlines.append(Outline("blind", tuple(known[:_MOST_AXES]), blind=True))
    return radar("Primary metrics of the tasks", axes[:_MOST_AXES], outlines)


def kind_bars(heading: str, kinds: Sequence[tuple[str, Metric, Metric | None]]) -> Markup:
    """Bars of a metric over kinds, in the given order; the first forty.

    Args:
        heading: what is shown.
        kinds: of each kind its name, its metric and the blind one.
    """
    rows = [
        Bar(spaced(kind), found["value"], found["low"], found["high"], (blind or {}).get("value"))
        for kind, found, blind in kinds[:_MOST_BARS]
        if found["value"] is not None
    ]
    return bars(heading, rows)


def _share(metric: Metric | None) -> float | None:
    value = (metric or {}).get("value")
    return value if value is not None and 0 <= value <= 1 else None
