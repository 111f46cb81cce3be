"""The table of metrics for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mmtune.commands.printed_table import print_table
from mmtune.wording import agreeing, counted

if TYPE_CHECKING:
    from rich.console import Console

    from eval.report.groupings import GroupingView


def show_metrics(results: Mapping[str, Any]) -> None:
    """Print the primary metric of each task and of each question type, beside the blind baseline; then what
    the answers tell beyond it (``eval.reliability``) and the robustness checks.

    Args:
        results: as ``eval.runner.evaluate`` gives them.
    """
    from rich.console import Console
    from rich.table import Table

    from eval.blind import lacking_line
    from eval.report.gaps import gaps
    from eval.report.numbers import without_interval

    shown: dict[str, Any] = {}
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
        shown[name] = task["metrics"].get(metric)
        table.add_row(name, metric, *_cells(task["metrics"], task["blind"], metric))
        mended = f"{metric}_fixed"  # stands there only where the official script's quirks count
        if mended in task["metrics"] and _value(task, mended) != _value(task, metric):
            table.add_row("", mended, *_cells(task["metrics"], task["blind"], mended))
        for breakdown, kinds in task["by"].items():
            for kind, part in kinds.items():
                cells = _cells(part["metrics"], part["blind"], metric)
                table.add_row(f"  {breakdown}: {kind}", metric, *cells, style="dim")
                shown[f"{name}, {breakdown} {kind}"] = part["metrics"].get(metric)
    # Names of tasks and kinds are others' words: what looks like markup in them is none.
    console = Console(highlight=False, markup=False, emoji=False)
    print_table(console, table)
    for line in without_interval(shown):
        console.print(line, soft_wrap=True)
    for sentence in gaps(results):
        console.print(sentence, soft_wrap=True)
    for name, task in results["tasks"].items():
        if line := lacking_line(name, task):
            console.print(line, soft_wrap=True)
    from eval.report.groupings import view_groupings
    from mmtune.commands.robustness_table import robustness_tables

    for grouping in view_groupings(results):
        _show_grouping(console, grouping)
    for further in robustness_tables(results):
        if isinstance(further, str):
            console.print(further, soft_wrap=True)
        else:
            print_table(console, further)


def _show_grouping(console: Console, grouping: GroupingView) -> None:
    """Print the abilities that have a figure, what each rests on, and in one line those that have none."""
    from rich.table import Table

    told = [row for row in grouping.rows if row.rests_on]
    table = Table(title=grouping.title)
    table.add_column("ability")
    for name in ("accuracy", "stability", "n"):
        table.add_column(name, justify="right")
    for row in told:
        table.add_row(row.name, row.accuracy, row.stability, str(row.n))
    print_table(console, table)
    for row in told:
        lacks = f"; without {counted(len(row.missing), 'other part')} of it" if row.missing else ""
        console.print(f"{row.name}: from {'; '.join(row.rests_on)}{lacks}", style="dim", soft_wrap=True)
    none = [row.name for row in grouping.rows if not row.rests_on]
    if none:
        console.print(
            f"{len(none)} of {counted(len(grouping.rows), 'ability', 'abilities')}"
            f" {agreeing(len(none), 'needs', 'need')} benchmarks that this run does not have:"
            f" {', '.join(none)}",
            style="dim",
            soft_wrap=True,
        )
    if any(row.missing for row in grouping.rows):
        console.print(
            "what is missing of each: report.html, and groupings in metrics.json", style="dim", soft_wrap=True
        )
    console.print(grouping.note, style="dim", soft_wrap=True)


def _value(task: Mapping[str, Any], metric: str) -> float | None:
    value: float | None = task["metrics"].get(metric, {}).get("value")
    return value


def _cells(metrics: Mapping[str, Any] | None, blind: Mapping[str, Any] | None, metric: str) -> list[str]:
    found, base = (metrics or {}).get(metric), (blind or {}).get(metric)
    if found is None or found["value"] is None:
        return ["–"] * 4
    interval = "–" if found["low"] is None else f"{found['low']:.3f} – {found['high']:.3f}"
    unseen = "–" if base is None or base["value"] is None else f"{base['value']:.3f}"
    if base is not None and base["value"] is not None and base["n"] != found["n"]:
        unseen += f" (n {base['n']})"  # items without an image have no blind answer
    return [f"{found['value']:.3f}", interval, str(found["n"]), unseen]
