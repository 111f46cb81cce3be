"""The table of metrics for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def show_metrics(results: Mapping[str, Any]) -> None:
    """Print the primary metric of each task and of each question type, beside the blind baseline; then what
    the answers tell beyond it (``eval.reliability``) and the robustness checks.

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
    console = Console(highlight=False)
    console.print(table)
    for name, task in results["tasks"].items():
        if task["n"] < task["of"]:
            told = f"{name} is scored over {task['n']} of {task['of']} items"
            console.print(told, markup=False, soft_wrap=True)
    for grouping in results.get("groupings", {}).values():
        _show_grouping(console, grouping)
    from mmtune.commands.robustness_table import robustness_tables

    for further in robustness_tables(results):
        console.print(further)


def _show_grouping(console: Console, grouping: Mapping[str, Any]) -> None:
    """Print abilities over several benchmarks, and under them what each rests on and what is missing."""
    from rich.table import Table

    table = Table(title=grouping["title"])
    table.add_column("ability")
    for name in ("accuracy", "stability", "n"):
        table.add_column(name, justify="right")
    notes = []
    for name, ability in grouping["abilities"].items():
        figures = (ability[key] for key in ("accuracy", "stability"))
        table.add_row(name, *("–" if f is None else f"{f:.3f}" for f in figures), str(ability["n"]))
        rests = [row["name"] + (" as a stand-in" if row["stand_in"] else "") for row in ability["members"]]
        lacks = [*ability["missing"], *(f"{one} (no task)" for one in ability["not_here"])]
        notes.append(
            f"{name}: from {'; '.join(rests) or 'nothing'}. Missing: {'; '.join(lacks) or 'nothing'}."
        )
    console.print(table)
    for note in (*notes, grouping["note"]):
        console.print(note, style="dim", markup=False, soft_wrap=True)


def _cells(metrics: Mapping[str, Any] | None, blind: Mapping[str, Any] | None, metric: str) -> list[str]:
    found, base = (metrics or {}).get(metric), (blind or {}).get(metric)
    if found is None or found["value"] is None:
        return ["–"] * 4
    interval = "–" if found["low"] is None else f"{found['low']:.3f} – {found['high']:.3f}"
    unseen = "–" if base is None or base["value"] is None else f"{base['value']:.3f}"
    if base is not None and base["value"] is not None and base["n"] != found["n"]:
        unseen += f" (n {base['n']})"  # items without an image have no blind answer
    return [f"{found['value']:.3f}", interval, str(found["n"]), unseen]
