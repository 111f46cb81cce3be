"""Numbers and names as a reader wants to see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Metric = Mapping[str, Any]
"""{value, low, high, n, clusters} of one metric, as in ``metrics.json``."""

_LABELS = {
    "accuracy": "accuracy",
    "accuracy_fixed": "accuracy, quirks mended",
    "f1": "F1",
    "object_f1": "object F1",
    "f1_fixed": "F1, quirks mended",
    "precision_fixed": "precision, quirks mended",
    "yes_ratio": "share of yes, as the official script reads",
    "yes_ratio_fixed": "share of replies that say yes",
    "unparsed": "replies that could not be read",
    "chair_i": "CHAIR-i",
    "chair_s": "CHAIR-s",
    "chair_i_fixed": "CHAIR-i, quirks mended",
    "chair_s_fixed": "CHAIR-s, quirks mended",
    "recall_fixed": "recall, quirks mended",
    "mentions_per_caption": "objects a description",
    "mentions_per_caption_fixed": "objects a description, quirks mended",
    "cider_d": "CIDEr-D (own tokeniser)",
}
NEUTRAL = frozenset({"yes_ratio", "yes_ratio_fixed", "mentions_per_caption", "mentions_per_caption_fixed"})
"""Metrics of which neither more nor less is better."""


def label(metric: str) -> str:
    """A metric's name in words."""
    return _LABELS.get(metric, metric.replace("_", " "))


def title(name: str) -> str:
    """A task's name as its benchmark writes it, with the split or whatever follows it in words."""
    from eval.tasks import TASKS

    parts = name.split("_")
    for length in range(len(parts), 0, -1):
        if (task := "_".join(parts[:length])) in TASKS:
            rest = (_proper(part) if part in TASKS else part for part in parts[length:])
            return " ".join([TASKS[task].title.partition(":")[0], *rest])
    return spaced(name)


def _proper(task: str) -> str:
    """The name alone, as A-OKVQA of POPE's questions about its images."""
    from eval.tasks import TASKS

    return TASKS[task].title.partition(":")[0].split()[0]


def spaced(name: str) -> str:
    """The name of a kind of items, a setting or a stage in words: a chair is no CHAIR."""
    return name.replace("_", " ")


def number(value: float | None) -> str:
    """Three decimals below 10, fewer above; a dash for what is undefined."""
    if value is None:
        return "–"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.1f}"


def detectable(found: Metric) -> str:
    """The smallest difference that is mostly seen, of an estimate or a difference."""
    return "not with this n" if found.get("out_of_reach") else number(found.get("detectable"))


def interval(metric: Metric | None) -> str:
    """``0.912 – 0.954``; of a value without an interval, why it has none."""
    if not metric or metric["low"] is None:
        why = metric.get("why") if metric and metric["value"] is not None else None
        return f"none: {why}" if why else "–"
    return f"{number(metric['low'])} – {number(metric['high'])}"


def without_interval(metrics: Mapping[str, Metric | None]) -> list[str]:
    """A sentence for each reason why values have no interval, with the names of those that it concerns.

    Args:
        metrics: by name; those that are undefined, or have an interval, are passed over.
    """
    names: dict[str, list[str]] = {}
    for name, metric in metrics.items():
        if metric and metric["value"] is not None and metric["low"] is None and metric.get("why"):
            names.setdefault(metric["why"], []).append(name)
    return [f"no interval of {listed(found)}: {why}" for why, found in names.items()]


def listed(names: Sequence[str], most: int = 4) -> str:
    """Names with commas between them; of many, the first and how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def against_blind(metric: Metric, blind: Metric | None, lower_is_better: bool) -> str:
    """What the two intervals say: ``better``, ``worse`` or ``unclear``; "" where one of them is missing."""
    if not blind or metric["low"] is None or blind["low"] is None:
        return ""
    if metric["low"] > blind["high"]:
        return "worse" if lower_is_better else "better"
    if metric["high"] < blind["low"]:
        return "better" if lower_is_better else "worse"
    return "unclear"


def duration(seconds: float) -> str:
    """``8.4 s``, ``3 min 05 s`` or ``2 h 11 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
