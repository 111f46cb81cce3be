"""Student's t: differences between models of which a few seeds were trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_STEPS = 300


@dataclass(frozen=True)
class SeedSpread:
    """The uncertainty of a difference between two means over seeds."""

    se: float
    """Standard error from both sources."""
    degrees: float
    """Degrees of freedom."""
    p: float
    """Two-sided."""
    low: float
    high: float


def over_seeds_and_items(
    first: Sequence[float], second: Sequence[float], items_se: float, clusters: int, level: float = 0.95
) -> SeedSpread | None:
    """Test the difference of two models' means over seeds, counting both the draw of the seeds and that of
    the items.

    Args:
        first: the metric of each seed of the first model.
        second: of the second.
        items_se: standard error of the difference of the means from the draw of the items, seeds fixed.
        clusters: images behind it.
        level: coverage of the interval.

    Returns:
        None where a model has fewer than two seeds, whose spread is then unknown, or nothing spreads.

    Source: Welch's approximation, with the items as a third part of the variance. The part of the seeds'
    spread that is particular to these items is in both, which makes the test slightly cautious.
    """
    if min(len(first), len(second)) < 2:
        return None
    parts = [(variance(runs) / len(runs), len(runs) - 1) for runs in (first, second)]
    parts.append((items_se**2, max(1, clusters - 1)))
    total = sum(part for part, _ in parts)
    if total <= 0:
        return None
    degrees = total**2 / sum(part**2 / freedom for part, freedom in parts)
    se = math.sqrt(total)
    difference = _mean(second) - _mean(first)
    half = t_quantile(0.5 + level / 2, degrees) * se
    return SeedSpread(
        se, degrees, t_two_sided(difference / se, degrees), difference - half, difference + half
    )


def mean_over_seeds_and_items(
    seeds: Sequence[float], items_se: float, clusters: int, level: float = 0.95
) -> tuple[float, float] | None:
    """The interval of one model's mean over seeds, as ``over_seeds_and_items`` takes that of a difference.

    Args:
        seeds: the metric of each seed.
        items_se: standard error of the mean from the draw of the items, seeds fixed.
        clusters: images behind it.
        level: coverage of the interval.

    Returns:
        None for fewer than two seeds, or where nothing spreads.
    """
    if len(seeds) < 2:
        return None
    parts = ((variance(seeds) / len(seeds), len(seeds) - 1), (items_se**2, max(1, clusters - 1)))
    total = sum(part for part, _ in parts)
    if total <= 0:
        return None
    degrees = total**2 / sum(part**2 / freedom for part, freedom in parts)
    half = t_quantile(0.5 + level / 2, degrees) * math.sqrt(total)
    return _mean(seeds) - half, _mean(seeds) + half


def variance(values: Sequence[float]) -> float:
    """Variance of a sample (n - 1).

    Raises:
        ValueError: for fewer than two values.
    """
    if len(values) < 2:
        raise ValueError("one value has no spread")
    middle = _mean(values)
    return sum((value - middle) ** 2 for value in values) / (len(values) - 1)


def t_two_sided(t: float, degrees: float) -> float:
    """P(|T| >= |t|) for Student's t with that many degrees of freedom."""
    if math.isinf(t):
        return 0.0
    return incomplete_beta(degrees / 2, 0.5, degrees / (degrees + t * t))


def t_quantile(share: float, degrees: float) -> float:
    """The t below which ``share`` of Student's distribution lies, for shares above one half."""
    low, high = 0.0, 1.0
    while 1 - t_two_sided(high, degrees) / 2 < share:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if 1 - t_two_sided(middle, degrees) / 2 < share else (low, middle)
    return (low + high) / 2


def incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b).

    Source: its continued fraction (NIST DLMF 8.17.22), by Lentz's method.
    """
    if x <= 0 or x >= 1:
        return min(1.0, max(0.0, x))
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(b, a, 1 - x)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    tiny = 1e-300
    c, d = 1.0, 1 - (a + b) * x / (a + 1)
    d = 1 / (d if abs(d) > tiny else tiny)
    value = d
    for m in range(1, _STEPS):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 + term * d
            c = 1 + term / c
            d = 1 / (d if abs(d) > tiny else tiny)
            c = c if abs(c) > tiny else tiny
            value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return front * value / a


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
