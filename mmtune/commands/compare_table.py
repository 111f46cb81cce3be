"""The table of a comparison for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmtune.wording import counted

_WIDTH = 240


def show_comparison(comparison: Mapping[str, Any]) -> None:
    """Print, for each model after the first, its difference from the first on every task.

    Args:
        comparison: of ``eval.compare.compare``.
    """
    from rich.console import Console
    from rich.table import Table

    from eval.compare.metrics import TESTS
    from eval.report.numbers import detectable, without_interval

    # As wide as the numbers need: a cut number is no number.
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True, width=_WIDTH)
    names = [model["name"] for model in comparison["models"]]
    tests: dict[str, None] = {}
    for model, name in enumerate(names[1:], start=1):
        table = Table(title=f"{name} against {names[0]}")
        changes: dict[str, Any] = {}
        table.add_column("benchmark")
        table.add_column("metric")
        headings = ("difference", "unadjusted 95 % interval", "p", "p Holm", "p BH", "detectable")
        for heading in (names[0], name, *headings):
            table.add_column(heading, justify="right")
        table.add_column("items", justify="right")
        for task, found in comparison["tasks"].items():
            table.add_section()
            order = sorted(found["metrics"], key=lambda metric, main=found["primary"]: metric != main)  # type: ignore[misc]
            for metric in order:
                one = found["metrics"][metric]
                change = one["against_first"][model]
                changes[f"{task} {metric}"] = {**change, "value": change["difference"]}
                if change["test"]:
                    tests[change["test"]] = None
                part = "" if found["n"] == found["of"] else f" of {found['of']}"
                table.add_row(
                    task if metric == found["primary"] or metric == order[0] else "",
                    metric + (" ↓" if metric in found["lower_is_better"] else ""),
                    *(_value(one["values"][which]) for which in (0, model)),
                    _signed(change["difference"]),
                    _interval(change),
                    *(_p(change.get(key)) for key in ("p", "p_holm", "p_bh")),
                    detectable(change),
                    f"{change['n']}{part}",
                    style=None if metric == found["primary"] else "dim",
                )
        console.print(table)
        for line in without_interval(changes):
            console.print(line)
    for test in tests:
        console.print(f"{test}: {TESTS[test]}")
    console.print(
        "p Holm and p BH are corrected over the primary metrics of all tasks and models; other p are not"
        " corrected, nor are the intervals, which can exclude 0 where p Holm is above 0.05."
        " detectable: what a comparison of these items sees in four of five tries; not with this n:"
        " they would mostly miss any difference that is possible.",
    )
    for task, found in comparison["tasks"].items():
        for run, only in zip(_runs(comparison), found["only"], strict=True):
            if only["n"]:
                some = ", ".join(only["ids"][:5]) + (" …" if only["n"] > 5 else "")
                console.print(
                    f"{task}: {counted(only['n'], f'item of {run} is', f'items of {run} are')}"
                    f" not in all runs: {some}"
                )
    for note in comparison["notes"]:
        console.print(f"note: {note}")
    for task, reason in comparison["not_compared"].items():
        console.print(f"not compared: {task}: {reason}")


def _runs(comparison: Mapping[str, Any]) -> list[str]:
    return [run for model in comparison["models"] for run in model["runs"]]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _value(value: Mapping[str, Any]) -> str:
    """A value; of several seeds their mean, with what spreads."""
    seeds = value.get("between_seeds")
    if seeds is None:
        return _number(value["value"])
    return f"{_number(value['value'])} (seeds ± {seeds:.3f}, items ± {_number(value['between_items'])})"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.3f}"


def _interval(change: Mapping[str, Any]) -> str:
    return "–" if change["low"] is None else f"{change['low']:+.3f} – {change['high']:+.3f}"


def _p(p: float | None) -> str:
    return "" if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"
