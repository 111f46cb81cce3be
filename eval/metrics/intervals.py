"""How sure a score is: bootstrap intervals clustered by image, and exact ones for proportions."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.metrics.power import detectable_alone, out_of_reach

Array = NDArray[np.float64]
Totals = Mapping[str, Array]
"""Sums of per-item counts, each of shape (resamples,); a metric is a function of such sums."""

_CHUNK = 1 << 18  # weights held at once: 2 MiB, so that they stay in the processor's cache
_SAME = 1e-12
_MULTINOMIAL_COST = 8
"""Drawing how often one kind is drawn costs as much as drawing this many clusters."""

UNDEFINED = "undefined: there is nothing to take it of"
NO_DRAW = "it is undefined in every draw of images"
ONE_CLUSTER = "all of it rests on one image, and intervals draw images"
ALL_ALIKE = "every draw of images gives the same value"
NOT_DRAWN = "it is no function of sums over items, which are what is drawn"
"""Why there is no interval; ``UNDEFINED``: nor a value."""


@dataclass(frozen=True)
class Estimate:
    """A score with its interval; any of the three is None where it is undefined."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    """Items behind the score."""
    clusters: int
    """Images behind the score; resampling draws these, since answers about one image stand or fall
    together."""
    se: float | None = None
    """Standard error: the spread of the draws; None where they say nothing."""
    detectable: float | None = None
    """Smaller differences to another model on as many items are mostly not seen; see
    ``eval.metrics.power.detectable_alone``."""
    why: str | None = None
    """Why there is no value, or no interval; None where both are there."""
    out_of_reach: bool = False
    """Whether ``detectable`` is None because no difference that a share can have is mostly seen on so few
    items."""


def bootstrap(
    counts: Mapping[str, Sequence[float]],
    statistic: Callable[[Totals], Mapping[str, Array]],
    clusters: Sequence[Hashable] | None = None,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    not_shares: Container[str] = (),
    behind: Callable[[str], Sequence[str]] = lambda metric: (),
) -> dict[str, Estimate]:
    """Percentile bootstrap of any metrics that are functions of summed counts, resampling whole clusters.

    Args:
        counts: name → one number an item, as ``{"right": [1, 0, 1], "items": [1, 1, 1]}``.
        statistic: takes the sums of the counts, each (resamples,), and gives the metrics, each
            (resamples,), NaN where undefined.
        clusters: the cluster (image) of each item; None makes each item its own.
        resamples: bootstrap draws.
        level: coverage of the interval.
        seed: seed of the draws.
        not_shares: metrics that are no share of anything, such as CIDEr-D.
        behind: metric → the counts that tell how many items are behind it, where these are not all.

    Returns:
        metric → its estimate. Where every draw gives the same 0 or 1 the bootstrap says nothing about the
        uncertainty; the interval of a share is then the exact binomial one for that many clusters, and
        anything else has none and says why.

    Raises:
        ValueError: if there are no items or the counts differ in length.
    """
    names = list(counts)
    table = np.array([counts[name] for name in names], dtype=np.float64)
    n = table.shape[1] if table.ndim == 2 else 0
    if n == 0:
        raise ValueError("a score needs at least one item")
    groups = numbered(clusters, n)
    number = int(groups.max()) + 1
    sums = np.zeros((number, len(names)))
    np.add.at(sums, groups, table.T)

    point = statistic({name: sums[:, i].sum(keepdims=True) for i, name in enumerate(names)})
    drawn = _resample(sums, resamples, seed)
    spread = statistic({name: drawn[:, i] for i, name in enumerate(names)})
    place = {name: i for i, name in enumerate(names)}
    found = {}
    for metric, value in point.items():
        told = [place[name] for name in behind(metric) if name in place]
        of_it = sums[:, told].sum(axis=1) if told else None
        items, drawn_from = (
            (n, number) if of_it is None else (round(of_it.sum()), int(np.count_nonzero(of_it)))
        )
        share = metric not in not_shares
        found[metric] = _estimate(float(value[0]), spread[metric], items, drawn_from, level, share)
    return found


def bootstrap_mean(
    values: Sequence[float], clusters: Sequence[Hashable] | None = None, **settings: float | int
) -> Estimate:
    """Mean of ``values`` with its bootstrap interval; settings as for ``bootstrap``."""
    counts = {"value": values, "items": [1.0] * len(values)}
    return bootstrap(counts, _mean, clusters, **settings)["mean"]  # type: ignore[arg-type]


def _mean(totals: Totals) -> dict[str, Array]:
    return {"mean": ratio(totals["value"], totals["items"])}


def ratio(part: Array, whole: Array) -> Array:
    """``part / whole`` element by element, NaN where ``whole`` is 0."""
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) != 0)


def exact_binomial(successes: float, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Clopper-Pearson interval of a proportion: never covers less than ``level``.

    Raises:
        ValueError: unless 0 <= successes <= trials and trials > 0.
    """
    _check_trials(successes, trials)
    tail = (1 - level) / 2
    if successes == 0:
        return 0.0, 1 - tail ** (1 / trials)
    if successes == trials:
        return tail ** (1 / trials), 1.0
    low = _solve(lambda p: _binomial_tail(successes, trials, p) - tail)
    high = _solve(lambda p: _binomial_tail(successes + 1, trials, p) - 1 + tail)
    return low, high


def wilson(successes: float, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a proportion; good for any size of sample.

    Raises:
        ValueError: unless 0 <= successes <= trials and trials > 0.
    """
    _check_trials(successes, trials)
    z = _normal_quantile(0.5 + level / 2)
    share = successes / trials
    spread = 1 + z * z / trials
    middle = (share + z * z / (2 * trials)) / spread
    half = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials)) / spread
    # At the ends the formula gives 0 and 1 exactly; in floating point it misses them by a hair.
    low = 0.0 if successes == 0 else max(0.0, middle - half)
    high = 1.0 if successes == trials else min(1.0, middle + half)
    return low, high


def numbered(clusters: Sequence[Hashable] | None, n: int) -> NDArray[np.int64]:
    """Clusters as numbers 0.. in order of first appearance."""
    if clusters is None:
        return np.arange(n)
    if len(clusters) != n:
        raise ValueError(f"{len(clusters)} clusters for {n} items")
    number: dict[Hashable, int] = {}
    return np.array([number.setdefault(cluster, len(number)) for cluster in clusters])


def _resample(sums: Array, resamples: int, seed: int) -> Array:
    """Sums over clusters drawn with replacement: (resamples, counts).

    Clusters with equal sums are as one that is drawn oftener. Where there are few different ones, how often
    each is drawn comes from one multinomial, which is the same law at a small part of the cost.
    """
    number = len(sums)
    random = np.random.default_rng(seed)
    kinds, times = np.unique(sums, axis=0, return_counts=True)
    if len(kinds) * _MULTINOMIAL_COST <= number:
        drawn: Array = random.multinomial(number, times / number, size=resamples) @ kinds
        return drawn
    rows = max(1, _CHUNK // number)
    return np.concatenate(
        [
            _times_drawn(random, min(rows, resamples - start), number) @ sums
            for start in range(0, resamples, rows)
        ]
    )


def _times_drawn(random: np.random.Generator, draws: int, number: int) -> Array:
    """How often each of ``number`` clusters is drawn in each of ``draws`` resamples of that size."""
    drawn = random.integers(0, number, size=(draws, number))
    drawn += np.arange(0, draws * number, number)[:, None]
    return np.bincount(drawn.ravel(), minlength=draws * number).reshape(draws, number).astype(np.float64)


def _estimate(value: float, spread: Array, n: int, clusters: int, level: float, share: bool) -> Estimate:
    if math.isnan(value):
        return Estimate(None, None, None, n, clusters, why=UNDEFINED)
    defined = spread[~np.isnan(spread)]
    if len(defined) == 0:
        return Estimate(value, None, None, n, clusters, why=NO_DRAW)
    # Draws that differ by the last bits of a sum alone are the same, too.
    if np.allclose(defined, value, rtol=_SAME, atol=_SAME):
        end = round(value, 12)
        if not share or not clusters or end not in (0.0, 1.0):
            return Estimate(value, None, None, n, clusters, why=ONE_CLUSTER if clusters == 1 else ALL_ALIKE)
        low, high = exact_binomial(end * clusters, clusters, level)
        return Estimate(value, low, high, n, clusters)
    low, high = (float(q) for q in np.quantile(defined, [(1 - level) / 2, (1 + level) / 2]))
    se = float(defined.std())
    seen = detectable_alone(se, level)
    beyond = share and out_of_reach(seen, value)
    return Estimate(value, low, high, n, clusters, se, None if beyond else seen, out_of_reach=beyond)


def _check_trials(successes: float, trials: int) -> None:
    if trials <= 0 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes of {trials} trials is not a proportion")


def _binomial_tail(successes: float, trials: int, share: float) -> float:
    """P(at least ``successes`` of ``trials``)."""
    first = math.ceil(successes)
    if first <= 0:
        return 1.0
    log_p, log_q = math.log(share), math.log1p(-share)
    total = 0.0
    for k in range(first, trials + 1):
        log_ways = math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1)
        total += math.exp(log_ways + k * log_p + (trials - k) * log_q)
    return min(1.0, total)


def _solve(rising: Callable[[float], float]) -> float:
    """Where a rising function of 0..1 crosses zero, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2


def _normal_quantile(share: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(share)
