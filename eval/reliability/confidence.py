"""Calibration and selective answering from the probabilities that the model gave its answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from eval.backends.base import Answer
from eval.metrics.calibration import (
    Selective,
    area_under_risk,
    coverage_at_accuracy,
    equal_mass_curve,
    equal_mass_error,
    reliability_curve,
    risk_coverage,
)
from eval.metrics.intervals import Array, Totals
from eval.scoring import Sampling, Scored, cluster, with_intervals
from eval.tasks import Task
from eval.tasks.base import Counts

BINS = 15
ACCURACIES = (0.8, 0.9, 0.95)
"""At which the coverage is told."""
_POINTS = 60
"""Of the curve of risk over coverage that are stored at most."""


def confidence(
    task: Task, scored: Sequence[Scored], answers: Mapping[str, Answer], sampling: Sampling
) -> dict[str, Any] | None:
    """How well the model knows when it is right; None where it told no probability of any answer.

    Of options, the confidence is the highest of their probabilities, which sum to one over the options. Of a
    generated answer it is the probability of the whole of it, its end included (of one that was cut, of what
    there is). Ways are not mixed: where a task's items were answered in several, each has its own figures.

    Args:
        task: whose rightness counts: a score between 0 and 1 counts as such.
        scored: its scored answers.
        answers: by item id.
        sampling: how intervals are drawn.

    Returns:
        way (``options`` or ``generated``) → n, of, ece, ece_equal_mass, brier, aurc, mean_confidence,
        accuracy, coverage_at, reliability, risk_coverage.
    """
    ways: dict[str, list[tuple[Scored, float]]] = {}
    for one in scored:
        answer = answers[one.item.id]
        if value(task, one.counts) is None:
            continue
        if answer.logprobs is not None:
            ways.setdefault("options", []).append((one, max(softmax(answer.logprobs))))
        elif answer.sure is not None:
            # A sum of rounded logarithms can lie a hair above 0.
            ways.setdefault("generated", []).append((one, min(1.0, math.exp(answer.sure))))
    if not ways:
        return None
    return {way: _figures(task, pairs, len(scored), sampling) for way, pairs in ways.items()}


def softmax(logprobs: Sequence[float]) -> list[float]:
    """Probabilities that sum to one."""
    top = max(logprobs)
    parts = [math.exp(score - top) for score in logprobs]
    return [part / sum(parts) for part in parts]


def value(task: Task, counts: Counts) -> float | None:
    """What an answer got, 0..1; None where the item counts for nothing by itself or has no truth."""
    if not any(counts.values()):
        return None
    if set(counts) == {"items"}:
        return None
    for name in ("right", "accuracy"):
        if name in counts:
            return min(1.0, max(0.0, counts[name]))
    return float(task.right(counts))


def _figures(
    task: Task, pairs: Sequence[tuple[Scored, float]], of: int, sampling: Sampling
) -> dict[str, Any]:
    sure = [confidence for _, confidence in pairs]
    right = [value(task, one.counts) or 0.0 for one, _ in pairs]
    images = [cluster(one.item) for one, _ in pairs]
    return {
        "n": len(pairs),
        "of": of,
        **_with_intervals(sure, right, images, sampling),
        "ece_equal_mass": equal_mass_error(sure, right, BINS),
        "aurc": area_under_risk(sure, right),
        "coverage_at": {
            f"{accuracy:g}": coverage_at_accuracy(sure, right, accuracy) for accuracy in ACCURACIES
        },
        "reliability": [asdict(one) for one in reliability_curve(sure, right, BINS)],
        "reliability_equal_mass": [asdict(one) for one in equal_mass_curve(sure, right, BINS)],
        "risk_coverage": [asdict(point) for point in _thinned(risk_coverage(sure, right))],
    }


def _with_intervals(
    sure: Sequence[float], right: Sequence[float], images: Sequence[str], sampling: Sampling
) -> dict[str, Any]:
    """The figures that follow from sums, so that images can be drawn again."""
    places = [min(int(one * BINS), BINS - 1) for one in sure]
    counts: dict[str, list[float]] = {
        "items": [1.0] * len(sure),
        "sure": list(sure),
        "right": list(right),
        "squared": [(a - b) ** 2 for a, b in zip(sure, right, strict=True)],
    }
    for place in sorted(set(places)):
        counts[f"gap {place}"] = [
            (a - b) * (at == place) for a, b, at in zip(sure, right, places, strict=True)
        ]

    def told(totals: Totals) -> dict[str, Array]:
        gaps = [np.abs(totals[name]) for name in counts if name.startswith("gap ")]
        return {
            "ece": np.sum(gaps, axis=0) / totals["items"],
            "brier": totals["squared"] / totals["items"],
            "mean_confidence": totals["sure"] / totals["items"],
            "accuracy": totals["right"] / totals["items"],
        }

    return with_intervals(counts, told, images, sampling)


def _thinned(curve: Sequence[Selective]) -> list[Selective]:
    """At most ``_POINTS`` points, the first and the last among them."""
    if len(curve) <= _POINTS:
        return list(curve)
    step = (len(curve) - 1) / (_POINTS - 1)
    return [curve[round(place * step)] for place in range(_POINTS)]
