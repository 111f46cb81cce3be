"""Calibration and selective answering: does the model know when it is right?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


def expected_calibration_error(
    confidences: Sequence[float], right: Sequence[bool | float], bins: int = 15
) -> float | None:
    """Mean distance between confidence and accuracy over bins of equal width, weighted by their sizes.

    Args:
        confidences: probability that the model gives its answer, 0..1.
        right: whether it was right, or its score 0..1.
        bins: number of bins; 1 belongs to the last one.

    Returns:
        0..1; None without answers.

    Raises:
        ValueError: for a confidence outside 0..1 (NaN too), or lists of different length.

    Source: Guo et al., On Calibration of Modern Neural Networks.
    """
    _check(confidences, right)
    groups: dict[int, list[tuple[float, float]]] = {}
    for sure, hit in zip(confidences, right, strict=True):
        groups.setdefault(min(int(sure * bins), bins - 1), []).append((sure, float(hit)))
    if not groups:
        return None
    gaps = (abs(sum(sure for sure, _ in pairs) - sum(hit for _, hit in pairs)) for pairs in groups.values())
    return sum(gaps) / len(confidences)


@dataclass(frozen=True)
class Bin:
    """Answers of like confidence."""

    low: float
    """Least confidence in it, or the bin's lower edge where bins are of equal width."""
    high: float
    n: int
    confidence: float
    """Mean."""
    accuracy: float


def reliability_curve(
    confidences: Sequence[float], right: Sequence[bool | float], bins: int = 15
) -> list[Bin]:
    """Mean confidence and accuracy in bins of equal width, from the lowest; empty bins are left out.

    Raises:
        ValueError: as ``expected_calibration_error``.

    Source: as ``expected_calibration_error``.
    """
    _check(confidences, right)
    groups: dict[int, list[tuple[float, float]]] = {}
    for sure, hit in zip(confidences, right, strict=True):
        groups.setdefault(min(int(sure * bins), bins - 1), []).append((sure, float(hit)))
    return [_bin(groups[place], place / bins, (place + 1) / bins) for place in sorted(groups)]


def equal_mass_curve(
    confidences: Sequence[float], right: Sequence[bool | float], bins: int = 15
) -> list[Bin]:
    """As ``reliability_curve``, in bins of as equal a number of answers as can be, at most ``bins``.

    Answers of one confidence are never parted, so that the order of the answers does not matter; a bin ends
    where its share of the answers is reached.

    Raises:
        ValueError: as ``expected_calibration_error``.

    Source: adaptive binning after Nguyen and O'Connor, Posterior Calibration and Exploratory Analysis for
    Natural Language Processing Models.
    """
    _check(confidences, right)
    pairs = sorted(zip(confidences, map(float, right), strict=True))
    found: list[Bin] = []
    start = 0
    for end in range(1, len(pairs) + 1):
        if end < len(pairs) and (
            pairs[end][0] == pairs[end - 1][0] or end * bins < (len(found) + 1) * len(pairs)
        ):
            continue
        found.append(_bin(pairs[start:end], pairs[start][0], pairs[end - 1][0]))
        start = end
    return found


def equal_mass_error(
    confidences: Sequence[float], right: Sequence[bool | float], bins: int = 15
) -> float | None:
    """As ``expected_calibration_error``, over the bins of ``equal_mass_curve``.

    Raises:
        ValueError: as ``expected_calibration_error``.
    """
    curve = equal_mass_curve(confidences, right, bins)
    if not curve:
        return None
    return sum(abs(one.confidence - one.accuracy) * one.n for one in curve) / len(confidences)


def brier_score(confidences: Sequence[float], right: Sequence[bool | float]) -> float | None:
    """Mean squared distance between confidence and outcome; None without answers.

    Raises:
        ValueError: as ``expected_calibration_error``.
    """
    _check(confidences, right)
    if not confidences:
        return None
    pairs = zip(confidences, right, strict=True)
    return sum((sure - float(hit)) ** 2 for sure, hit in pairs) / len(confidences)


@dataclass(frozen=True)
class Selective:
    """What is left where the model answers only when it is sure enough."""

    threshold: float
    """Least confidence that is answered."""
    coverage: float
    """Share of the questions answered."""
    accuracy: float
    """Accuracy on these."""


def risk_coverage(confidences: Sequence[float], right: Sequence[bool | float]) -> list[Selective]:
    """Accuracy at every coverage, from the surest answer to all; answers as sure as each other go together.

    Raises:
        ValueError: as ``expected_calibration_error``.

    Source: Geifman and El-Yaniv, Selective Classification for Deep Neural Networks.
    """
    _check(confidences, right)
    order = sorted(range(len(confidences)), key=lambda i: -confidences[i])
    curve: list[Selective] = []
    total = 0.0
    for taken, index in enumerate(order, start=1):
        total += float(right[index])
        if taken == len(order) or confidences[order[taken]] != confidences[index]:
            curve.append(Selective(confidences[index], taken / len(order), total / taken))
    return curve


def coverage_at_accuracy(
    confidences: Sequence[float], right: Sequence[bool | float], accuracy: float
) -> float:
    """Largest share of the questions that can be answered with at least this accuracy; 0 where none can.

    Source: Whitehead et al., Reliable Visual Question Answering (coverage at a risk).
    """
    curve = risk_coverage(confidences, right)
    return max((point.coverage for point in curve if point.accuracy >= accuracy), default=0.0)


def area_under_risk(confidences: Sequence[float], right: Sequence[bool | float]) -> float | None:
    """Mean risk (1 - accuracy) over all coverages; lower is better; None without answers."""
    curve = risk_coverage(confidences, right)
    if not curve:
        return None
    area, before = 0.0, 0.0
    for point in curve:
        area += (1 - point.accuracy) * (point.coverage - before)
        before = point.coverage
    return area


def _bin(pairs: Sequence[tuple[float, float]], low: float, high: float) -> Bin:
    n = len(pairs)
    return Bin(low, high, n, sum(sure for sure, _ in pairs) / n, sum(hit for _, hit in pairs) / n)


def _check(confidences: Sequence[float], right: Sequence[bool | float]) -> None:
    if len(confidences) != len(right):
        raise ValueError(f"{len(confidences)} confidences for {len(right)} answers")
    for sure in confidences:
        if not 0 <= sure <= 1:
            raise ValueError(f"a confidence must be from 0 to 1, not {sure}")
