"""Tables for the terminal: calibration, yes-bias, abstention, and the robustness checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mmtune.wording import counted

if TYPE_CHECKING:
    from rich.table import Table

Metric = Mapping[str, Any]
Rows = list[list[str]]

_SHOWN = (
    "mean_drop",
    "mean",
    "worst",
    "spread",
    "changed",
    "consistent",
    "always_right",
    "adjusted",
    "position_bias",
    "gain",
)
"""Figures of summaries that the terminal shows; the report shows all."""


def robustness_tables(results: Mapping[str, Any]) -> Iterator[Table | str]:
    """A table for each of the parts that the results have, and under it a line for each thing that a reader
    has to know of it.

    Args:
        results: as ``eval.runner.evaluate`` gives them.
    """
    from eval.report.numbers import without_interval
    from eval.report.robustness import summary_notes, unscored_note

    tasks = results["tasks"]
    names: Sequence[str]
    if rows := _confidence(tasks):
        names = ("benchmark", "from", "n", "ECE", "interval", "equal mass", "Brier", "AURC", "covers at 0.9")
        yield _table("calibration and selective answering", names, rows)
    if rows := _yes_bias(tasks):
        names = ("benchmark", "n", "says yes", "is yes", "apart", "interval", "neither", "logit bias")
        yield _table("yes-bias", names, rows)
    if rows := _abstention(tasks):
        names = ("benchmark", "unanswerable", "declined", "precision", "recall", "F1", "interval")
        yield _table("abstention", names, rows)
    for name, checks in results.get("robustness", {}).items():
        metric = tasks[name]["primary"]
        names = ("condition", "n", "clean", "here", "change", "interval", "answers")
        gap = (
            "" if tasks[name]["complete"] else f", {tasks[name]['n']} of {counted(tasks[name]['of'], 'item')}"
        )
        note = unscored_note(tasks[name])
        title = f"robustness of {name}{gap}" + (f" ({note})" if note else "")
        yield _table(f"{title}: {metric} under other conditions", names, _conditions(checks, metric))
        changes = {
            f"the change by {condition}": one["difference"].get(metric)
            for found in checks.values()
            for condition, one in found.get("conditions", {}).items()
        }
        yield from without_interval(changes)
        if rows := _summaries(checks):
            yield _table(title, ("check", "figure", "value", "interval"), rows)
        for check, found in checks.items():
            for told in summary_notes(found.get("summary") or {}):
                yield f"{name}, {check}: {told}"


def _confidence(tasks: Mapping[str, Any]) -> Rows:
    return [
        [
            name,
            way,
            _of(one),
            *_pair(one["ece"]),
            _value(one["ece_equal_mass"]),
            _value(one["brier"]["value"]),
            _value(one["aurc"]),
            _value(one["coverage_at"]["0.9"]),
        ]
        for name, task in tasks.items()
        for way, one in (task.get("confidence") or {}).items()
    ]


def _yes_bias(tasks: Mapping[str, Any]) -> Rows:
    rows = []
    for name, task in tasks.items():
        if bias := task.get("yes_bias"):
            said, true, neither = (bias[key]["value"] for key in ("yes_ratio", "true_yes_ratio", "neither"))
            gap = bias["logit_gap"]["bias"]["value"] if bias["logit_gap"] else None
            shares = [_value(said), _value(true), *_pair(bias["difference"]), _value(neither), _value(gap)]
            rows.append([name, str(bias["n"]), *shares])
    return rows


def _abstention(tasks: Mapping[str, Any]) -> Rows:
    rows = []
    for name, task in tasks.items():
        if found := task.get("abstention"):
            figures = [_value(found[key]["value"]) for key in ("precision", "recall")]
            counts = [f"{found['unanswerable']} of {found['n']}", str(found["declined"])]
            rows.append([name, *counts, *figures, *_pair(found["f1"])])
    return rows


def _conditions(checks: Mapping[str, Any], metric: str) -> Rows:
    rows: Rows = []
    for check, found in checks.items():
        if "lacking" in found:
            rows.append([f"{check}: not asked", *["–"] * 6])
            continue
        for condition, one in found["conditions"].items():
            figures = [_value((one[part].get(metric) or {}).get("value")) for part in ("clean", "metrics")]
            changed = _value((one.get("changed") or {}).get("value"))
            rows.append(
                [
                    condition,
                    _of({"n": one["n"], "of": found["of"]}),
                    *figures,
                    *_pair(one["difference"].get(metric)),
                    changed,
                ]
            )
    return rows


def _summaries(checks: Mapping[str, Any]) -> Rows:
    from eval.report.robustness import SUMMARY

    rows: Rows = []
    for check, found in checks.items():
        summary = found.get("summary") or {}
        rows += [[check, SUMMARY[key], *_pair(summary[key])] for key in _SHOWN if key in summary]
        for condition, one in summary.get("followed", {}).items():
            rows.append([check, f"follows {condition} beyond clean", *_pair(one["hijacked"])])
    return rows


def _table(title: str, names: Sequence[str], rows: Rows) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in names:
        words = name in ("benchmark", "condition", "check", "figure")
        table.add_column(
            name, justify="left" if words else "right", no_wrap=words or name in ("interval", "from")
        )
    for row in rows:
        table.add_row(*row)
    return table


def _of(one: Mapping[str, Any]) -> str:
    return str(one["n"]) if one["n"] == one["of"] else f"{one['n']} of {one['of']}"


def _value(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _pair(one: Metric | None) -> list[str]:
    """Value and interval."""
    if not one or one["value"] is None:
        return ["–", "–"]
    between = "–" if one["low"] is None else f"{one['low']:.3f} – {one['high']:.3f}"
    return [_value(one["value"]), between]
