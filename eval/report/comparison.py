"""The page of a comparison: differences, radar, and the samples that flipped, side by side."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from eval.compare.comparing import by_group
from eval.compare.groups import Group
from eval.compare.matching import match_task
from eval.compare.metrics import TESTS
from eval.compare.stored import Answer
from eval.report.browsing import Reply, Sample, pack, reply_of
from eval.report.lines import p_text
from eval.report.numbers import NEUTRAL, detectable, label, number, title
from eval.report.overview import share_axis
from eval.report.page import template, template_text, write_page
from eval.report.shapes import Bar, Outline, differences, radar
from mmtune.wording import counted

_LEVEL = 0.05


def write_comparison(path: Path, comparison: Mapping[str, Any], groups: Sequence[Group]) -> Path:
    """Write a comparison as one HTML file that needs nothing else.

    Args:
        path: the file.
        comparison: of ``eval.compare.compare``.
        groups: the models that it compared.

    Returns:
        The file's path.
    """
    names = [model["name"] for model in comparison["models"]]
    tests = {
        change["test"]: TESTS[change["test"]]
        for found in comparison["tasks"].values()
        for metric in found["metrics"].values()
        for change in metric["against_first"][1:]
        if change["test"]
    }
    html = template("compare.html.j2").render(
        heading=" · ".join(names),
        made=datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        comparison=comparison,
        names=names,
        pairs=[_pair(comparison, model) for model in range(1, len(names))],
        radar=_radar(comparison, names),
        tests=tests,
        unmatched=_unmatched(comparison),
        browse=pack(_samples(comparison, groups), names, _folders(comparison, groups)),
        style=template_text("report.css") + template_text("browse.css"),
        script=template_text("report.js"),
        browse_script=template_text("browse.js"),
    )
    return write_page(path, html)


def verdict(change: Mapping[str, Any], lower_is_better: bool) -> str:
    """``better``, ``worse`` or ``unclear``, by the p-value after Holm's correction; "" without one."""
    if change.get("p_holm") is None:
        return ""
    if change["p_holm"] >= _LEVEL or not change["difference"]:
        return "unclear"
    return "better" if (change["difference"] > 0) != lower_is_better else "worse"


def _pair(comparison: Mapping[str, Any], model: int) -> dict[str, Any]:
    """One model against the first: chart and table."""
    bars, tasks = [], []
    for name, found in comparison["tasks"].items():
        order = sorted(found["metrics"], key=lambda metric, main=found["primary"]: metric != main)  # type: ignore[misc]
        rows = []
        for metric in order:
            one = found["metrics"][metric]
            change = one["against_first"][model]
            lower = metric in found["lower_is_better"]
            said = verdict(change, lower)
            arrow = "" if metric in NEUTRAL else "↓" if lower else "↑"
            rows.append(_row(metric, one, model, said, arrow, found))
            if metric == found["primary"] and change["difference"] is not None:
                shown = found["metrics"][metric]["values"][0]["value"]
                if shown is not None and abs(shown) <= 1:
                    colour = said if said in ("better", "worse") else "plain"
                    heading = f"{title(name)}, {label(metric)}" + (" ↓" if lower else "")
                    bars.append(
                        Bar(heading, change["difference"], change["low"], change["high"], verdict=colour)
                    )
        tasks.append(
            {"name": title(name), "title": found["title"], "rows": rows, "flips": found["flips"][model]}
        )
    names = [one["name"] for one in comparison["models"]]
    return {
        "name": names[model],
        "chart": differences(f"{names[model]} minus {names[0]}, primary metrics", bars),
        "tasks": tasks,
        "place": model,
    }


def _row(
    metric: str, one: Mapping[str, Any], model: int, said: str, arrow: str, found: Mapping[str, Any]
) -> dict[str, Any]:
    change = one["against_first"][model]
    interval = f"none: {change['why']}" if change.get("why") and change["difference"] is not None else "–"
    if change["low"] is not None:
        interval = f"{change['low']:+.3f} – {change['high']:+.3f}"
    words = {"better": "better", "worse": "worse", "unclear": "not told apart", "": ""}
    return {
        "name": label(metric),
        "arrow": arrow,
        "primary": metric == found["primary"],
        "values": [_value(one["values"][which]) for which in (0, model)],
        "difference": "–" if change["difference"] is None else f"{change['difference']:+.3f}",
        "interval": interval,
        "p": _p(change.get("p")),
        "p_holm": _p(change.get("p_holm")),
        "p_bh": _p(change.get("p_bh")),
        "test": change["test"] or "",
        "detectable": detectable(change),
        "n": change["n"],
        "of": found["of"] if found["n"] < found["of"] else None,
        "verdict": said,
        "verdict_text": words[said],
    }


def _value(value: Mapping[str, Any]) -> tuple[str, str]:
    """A value, and of several seeds what spreads."""
    seeds, items = value.get("between_seeds"), value.get("between_items")
    spread = "" if seeds is None else f"seeds ± {number(seeds)}, items ± {number(items)}"
    return number(value["value"]), spread


def _p(p: float | None) -> str:
    return "" if p is None else p_text(p).removeprefix("= ")


def _radar(comparison: Mapping[str, Any], names: Sequence[str]) -> Markup:
    axes: list[str] = []
    values: list[list[float]] = [[] for _ in names]
    for name, found in comparison["tasks"].items():
        axis = share_axis(name, found)
        if axis is None:
            continue
        of_models = [one["value"] for one in found["metrics"][found["primary"]]["values"]]
        if any(value is None or not 0 <= value <= 1 for value in of_models):
            continue
        axes.append(axis[0])
        for place, value in enumerate(of_models):
            values[place].append(1 - value if axis[1] else value)
    outlines = [Outline(name, tuple(found)) for name, found in zip(names, values, strict=True)]
    return radar("Primary metrics of the models", axes, outlines)


def _unmatched(comparison: Mapping[str, Any]) -> list[str]:
    runs = [run for model in comparison["models"] for run in model["runs"]]
    return [
        f"{title(task)}: {counted(only['n'], f'item of {run} is', f'items of {run} are')} not in"
        f" all runs: {', '.join(only['ids'])}" + (" …" if only["n"] > len(only["ids"]) else "")
        for task, found in comparison["tasks"].items()
        for run, only in zip(runs, found["only"], strict=True)
        if only["n"]
    ]


def _samples(comparison: Mapping[str, Any], groups: Sequence[Group]) -> list[Sample]:
    """The compared items, those on which models differ in being right first."""
    runs = [run for group in groups for run in group.runs]
    samples = []
    for task in comparison["tasks"]:
        matched = match_task(task, runs)
        of_groups = by_group(matched, groups)
        for key in matched.ids:
            replies = tuple(tuple(_reply(answers[key]) for answers in of_group) for of_group in of_groups)
            row = matched.answers[0][key]
            kinds = tuple(f"{name}: {kind}" for name, kind in row.kinds.items())
            samples.append(Sample(task, key, row.image, row.question, row.truth, kinds, replies))
    return samples


def _reply(answer: Answer) -> Reply:
    reply = reply_of(answer.counts, answer.text, right=answer.right)
    return Reply(reply.text, reply.flags, answer.submitted)


def _folders(comparison: Mapping[str, Any], groups: Sequence[Group]) -> dict[str, str]:
    first = groups[0].runs[0].results["tasks"]
    return {task: str(first[task].get("images", "")) for task in comparison["tasks"]}
