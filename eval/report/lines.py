"""Rows for the tables of a paper: a model a row, its primary metrics with their intervals."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.report.numbers import label, title
from mmtune.wording import counted

FORMS = ("latex", "markdown")
_EVEN = 2 / 3
"""The shorter side of an interval is at least this part of the longer one where ± stands for it."""

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
}
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~&!$])")


@dataclass(frozen=True)
class _Form:
    """How one of the two languages writes what stands in a cell."""

    plus_minus: str
    minus: str
    up: str
    down: str
    none: str
    p_holm: str


_FORMS = {
    "latex": _Form(r"$\pm$", "$-$", r"$\uparrow$", r"$\downarrow$", "--", r"$p_{\mathrm{Holm}}$"),
    "markdown": _Form("±", "−", "↑", "↓", "–", "p Holm"),
}

_UNSCORED: Mapping[str, Any] = {"value": None, "low": None, "high": None}


def show_line(name: str, results: Mapping[str, Any], form: str) -> str:
    """One run as a row of a table, under the row of the metrics' names.

    Args:
        name: the model's.
        results: the content of ``metrics.json``.
        form: ``latex`` or ``markdown``.

    Returns:
        Lines; a score over fewer items than the benchmark has says so in its cell, and a task without one,
        as before it is judged, has a dash.
    """
    tasks = results["tasks"]
    heads = [_head(task, one, form) for task, one in tasks.items()]
    cells = [
        _cell(one["metrics"].get(one["primary"], _UNSCORED), form) + _of(one["n"], one["of"])
        for one in tasks.values()
    ]
    return _table(heads, [(name, cells)], form)


def compare_lines(comparison: Mapping[str, Any], form: str) -> str:
    """A comparison as rows of a table: each model, and each one's difference from the first with its p-value
    after Holm's correction; then a legend, since the intervals are not corrected and the p-values are.

    Args:
        comparison: of ``eval.compare.compare``.
        form: ``latex`` or ``markdown``.
    """
    tasks = {task: one for task, one in comparison["tasks"].items() if one["primary"] in one["metrics"]}
    heads = [_head(task, one, form) for task, one in tasks.items()]
    primary = [one["metrics"][one["primary"]] for one in tasks.values()]
    parts = [_of(one["n"], one["of"]) for one in tasks.values()]
    names = [model["name"] for model in comparison["models"]]
    rows = [
        (name, [_cell(one["values"][model], form) + part for one, part in zip(primary, parts, strict=True)])
        for model, name in enumerate(names)
    ]
    rows += [
        (f"{name} - {names[0]}", [_change(one["against_first"][model], form) for one in primary])
        for model, name in enumerate(names)
        if model
    ]
    return _table(heads, rows, form) + _legend(comparison["settings"], form)


def _legend(settings: Mapping[str, Any], form: str) -> str:
    """What ± and p are: a comment in LaTeX, a line under the table in Markdown."""
    words = (
        f"±: half of the unadjusted {settings['level'] * 100:g} % interval; p Holm: adjusted over"
        f" {counted(settings['tests_corrected'], 'test')}, so that it can be above"
        f" {1 - settings['level']:.2g} where the interval excludes 0;"
        " [low, high]: an uneven interval; of several seeds, intervals are over seeds and items."
    )
    return f"% {words}\n" if form == "latex" else f"\n{words}\n"


def escape_text(text: str, form: str) -> str:
    """A text as it must be written to be read as itself."""
    text = " ".join(text.split())
    if form == "latex":
        return "".join(_LATEX.get(letter, letter) for letter in text)
    return _MARKDOWN.sub(r"\\\1", text)


def _table(heads: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]], form: str) -> str:
    lines = [["model", *heads], *([escape_text(name, form), *cells] for name, cells in rows)]
    if form == "latex":
        return "".join(" & ".join(cells) + " \\\\\n" for cells in lines)
    lines.insert(1, ["---", *["---:"] * len(heads)])
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def _head(task: str, one: Mapping[str, Any], form: str) -> str:
    arrow = _FORMS[form].down if one["primary"] in one["lower_is_better"] else _FORMS[form].up
    name = escape_text(f"{title(task)} {label(one['primary'])}", form)
    return f"{name} {arrow}"


def _cell(estimate: Mapping[str, Any], form: str) -> str:
    if estimate["value"] is None:
        return _FORMS[form].none
    return _number(estimate["value"], form) + _half(estimate, form)


def _change(change: Mapping[str, Any], form: str) -> str:
    if change["difference"] is None:
        return _FORMS[form].none
    sign = "+" if change["difference"] > 0 else ""
    p = change.get("p_holm")
    told = "" if p is None else f" ({_FORMS[form].p_holm} {p_text(p)})"
    if form == "latex":
        told = told.replace("<", "$<$")
    return sign + _number(change["difference"], form) + _half(change, form) + told


def p_text(p: float) -> str:
    """``= 0.031``, ``< 0.001``."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def _half(estimate: Mapping[str, Any], form: str) -> str:
    """± half of the interval's width; the interval itself where it lies unevenly about the value, as near an
    edge, so that ± would tell of values that it excludes."""
    if estimate["low"] is None:
        return ""
    middle = estimate["value"] if "value" in estimate else estimate["difference"]
    arms = sorted((middle - estimate["low"], estimate["high"] - middle))
    if arms[0] < _EVEN * arms[1]:
        return f" [{_number(estimate['low'], form)}, {_number(estimate['high'], form)}]"
    return f" {_FORMS[form].plus_minus} {_plain((estimate['high'] - estimate['low']) / 2)}"


def _number(value: float, form: str) -> str:
    text = _plain(value)
    return _FORMS[form].minus + text[1:] if text.startswith("-") else text


def _plain(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def _of(n: int, of: int) -> str:
    return "" if n == of else f" ({n} of {counted(of, 'item')})"
