"""The table of metrics for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def show_metrics(results: Mapping[str, Any]) -> None:
    """Print the primary metric of each task and of each question type, beside the blind baseline.

    Args:
        results: as ``eval.runner.evaluate`` gives them.
    """
    from rich.console import Console
    from rich.table import Table

    table = Table(title="metric, 95 % interval, and the same with shuffled images")
    for name in ("benchmark", "metric"):
        table.add_column(name)
    for name in ("value", "interval", "n", "blind"):
        table.add_column(name, justify="right")
    for name, task in results["tasks"].items():
        metric = task["primary"]
        ways = [way for way in task.get("answered_by", {}) if way != "generate"]
        name += f" (by {', '.join(ways)})" if ways else ""
        metric += " (to be judged)" if task.get("needs_judge") else ""
        table.add_row(name, metric, *_cells(task["metrics"], task["blind"], metric))
        for kinds in task["by"].values():
            for kind, part in kinds.items():
                table.add_row(
                    f"  {kind}", metric, *_cells(part["metrics"], part["blind"], metric), style="dim"
                )
    Console(highlight=False).print(table)


def _cells(metrics: Mapping[str, Any] | None, blind: Mapping[str, Any] | None, metric: str) -> list[str]:
    found, base = (metrics or {}).get(metric), (blind or {}).get(metric)
    if found is None or found["value"] is None:
        return ["–"] * 4
    interval = "–" if found["low"] is None else f"{found['low']:.3f} – {found['high']:.3f}"
    unseen = "–" if base is None or base["value"] is None else f"{base['value']:.3f}"
    return [f"{found['value']:.3f}", interval, str(found["n"]), unseen]
