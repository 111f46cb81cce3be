"""Benchmarks that a training run asked on the way, as curves over its steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from eval.report.charts import Point, Series, line_chart
from eval.report.numbers import label, number, spaced, title
from mmtune.wording import counted

MOST_KINDS = 8
"""Kinds of a breakdown that are drawn; one with more is left to TensorBoard and ``evals.jsonl``."""


@dataclass(frozen=True)
class BenchmarkCurve:
    """One benchmark of one run."""

    name: str
    chart: Markup
    note: str
    """Over how many items, how they were answered, what is not drawn."""
    last: str
    """The primary metric at the last evaluation."""
    metric: str


def benchmark_curves(rows: Sequence[Mapping[str, Any]]) -> tuple[BenchmarkCurve, ...]:
    """A chart of each benchmark: its primary metric, and that of each kind of its items.

    Args:
        rows: of the run's ``evals.jsonl``; groupings over several benchmarks are not drawn.
    """
    rows = [row for row in rows if "of" in row]
    return tuple(
        _curve(task, [row for row in rows if row["task"] == task])
        for task in dict.fromkeys(row["task"] for row in rows)
    )


def _curve(task: str, rows: Sequence[Mapping[str, Any]]) -> BenchmarkCurve:
    metric = rows[-1]["primary"]
    whole = _points((row["step"], row["metrics"].get(metric)) for row in rows)
    series = [Series("all items", whole, "validation")]
    for breakdown, kinds in rows[-1]["by"].items():
        for kind in kinds if 1 < len(kinds) <= MOST_KINDS else ():
            points = _points((row["step"], row["by"].get(breakdown, {}).get(kind)) for row in rows)
            series.append(Series(f"{breakdown}: {spaced(kind)}", points, "kind"))
    over = dict.fromkeys(f"{row['n']} of {counted(row['of'], 'item')}" for row in rows)
    ways = dict.fromkeys(way for row in rows for way in row["answered_by"])
    notes = [f"over {', then '.join(over)}, answered by {', '.join(ways)}"]
    if len(series) > 1:
        notes.append("thin lines are kinds of items")
    if len(whole) < len(rows):
        notes.append(f"undefined at {len(rows) - len(whole)} of {counted(len(rows), 'evaluation')}")
    name, last = title(task), rows[-1]["metrics"].get(metric)
    return BenchmarkCurve(
        name,
        line_chart(f"{name} during training", [s for s in series if s.points], "step", label(metric)),
        "; ".join(notes),
        "undefined" if last is None else number(last),
        label(metric),
    )


def _points(values: Any) -> tuple[Point, ...]:
    """What is undefined leaves a gap."""
    return tuple((float(step), float(value)) for step, value in values if value is not None)
