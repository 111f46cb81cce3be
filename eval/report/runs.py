"""What a training run left in its folder: its curves, its recipe, how long and how fast it was."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from eval.report.charts import Point, Series, line_chart, smoothed
from eval.report.numbers import duration
from eval.report.run_benchmarks import BenchmarkCurve, benchmark_curves


@dataclass(frozen=True)
class RunView:
    """One training run, ready for the page."""

    name: str
    chart: Markup
    facts: tuple[tuple[str, str], ...]
    benchmarks: tuple[BenchmarkCurve, ...] = ()


def view_run(name: str, folder: Path) -> RunView:
    """Curves and figures of a run folder; one without scalars gives an empty chart."""
    rows = read_rows(folder / "scalars.jsonl")
    train = _points(rows, "loss")
    validation = _points(rows, "validation_loss", "val_loss")
    series = [
        Series("each step", train, "raw"),
        Series("training loss, smoothed", smoothed(train), "train"),
        Series("validation loss", validation, "validation"),
    ]
    chart = line_chart(f"Loss curves of {name}", [s for s in series if s.points], "step", "loss per token")
    benchmarks = benchmark_curves(read_rows(folder / "evals.jsonl"))
    return RunView(name, chart, _facts(rows, train, validation), benchmarks)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Rows of a JSON Lines file that may be absent, or still being written."""
    rows = []
    for line in path.read_text(encoding="utf-8").split("\n") if path.exists() else ():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:  # the last line of a run that was killed
            continue
        if isinstance(row, dict):
            rows.append(row)
    return rows


def _points(rows: Sequence[Mapping[str, Any]], *names: str) -> tuple[Point, ...]:
    found = []
    for row in rows:
        value = next((row[name] for name in names if row.get(name) is not None), None)
        if isinstance(value, int | float) and math.isfinite(value) and "step" in row:
            found.append((float(row["step"]), float(value)))
    return tuple(found)


def _facts(
    rows: Sequence[Mapping[str, Any]], train: Sequence[Point], validation: Sequence[Point]
) -> tuple[tuple[str, str], ...]:
    facts = []
    if train:
        facts.append(("steps", f"{train[-1][0]:,.0f}"))
        facts.append(("training loss at the end", f"{smoothed(train)[-1][1]:.4f}"))
    if validation:
        facts.append(("validation loss at the end", f"{validation[-1][1]:.4f}"))
    seconds = sum(row.get("seconds", 0.0) for row in rows)
    if seconds:
        facts.append(("time in steps", duration(seconds)))
        tokens = sum(row.get("tokens_per_s", 0.0) * row.get("seconds", 0.0) for row in rows)
        if tokens:
            facts.append(("tokens a second", f"{tokens / seconds:,.0f}"))
    memory = max((row.get("memory_gb", 0.0) for row in rows), default=0.0)
    if memory:
        facts.append(("peak memory", f"{memory:.1f} GB"))
    return tuple(facts)
