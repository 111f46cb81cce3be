"""Whether two models differ: paired tests over the items both answered, and their correction over tasks."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eval.metrics.intervals import Array, Totals, numbered

Metrics = Callable[[Totals], Mapping[str, Array]]

_EXACT_UP_TO = 13
"""Differing clusters of which every one of the 2^13 exchanges is looked at."""
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Swapped:
    """What exchanging the two models' answers cluster by cluster says about one metric."""

    difference: float | None
    """Second minus first; None where one of them is undefined."""
    p: float | None
    """Two-sided; None where the difference is undefined."""
    exact: bool
    """Whether all exchanges were looked at, not a sample of them."""
    null_sd: float | None
    """Standard deviation of the difference if which model gave which answers did not matter."""


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Two-sided exact McNemar test: the p-value that items on which just one of two models is right favour
    either model equally.

    Args:
        only_first: items that only the first model has right.
        only_second: items that only the second has right.

    Raises:
        ValueError: for a negative number.

    Source: the binomial form of McNemar's test (McNemar 1947), doubling the smaller tail.
    """
    if min(only_first, only_second) < 0:
        raise ValueError(f"{only_first} and {only_second} are no numbers of items")
    trials = only_first + only_second
    log_half = trials * math.log(0.5)
    tail = sum(
        math.exp(math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1) + log_half)
        for k in range(min(only_first, only_second) + 1)
    )
    return min(1.0, 2 * tail)


def swap_test(
    first: Mapping[str, Sequence[float]],
    second: Mapping[str, Sequence[float]],
    statistic: Metrics,
    clusters: Sequence[Hashable] | None = None,
    permutations: int = 10_000,
    seed: int = 0,
) -> dict[str, Swapped]:
    """Permutation test of any metrics that are functions of summed counts, exchanging the two models' answers
    cluster by cluster.

    Under the null hypothesis it does not matter which model gave which answers to an image, so each cluster's
    counts change places with probability one half. For a mean this is the sign-flip test of the differences;
    ratios of sums (F1, CHAIR) are computed anew from the exchanged sums.

    Args:
        first: name → one number an item, of the first model.
        second: the same counts of the same items, of the second.
        statistic: takes sums of the counts, each (draws,), and gives metrics, each (draws,), NaN where
            undefined.
        clusters: the cluster (image) of each item; None makes each item its own.
        permutations: exchanges that are drawn, where all of them are too many.
        seed: seed of the draws.

    Returns:
        metric → its test. A drawn p-value is (1 + as extreme ones) / (1 + permutations), so never 0; an
        exchange that leaves a metric undefined counts as extreme.

    Raises:
        ValueError: if there are no items or the counts do not belong together.

    Source: Fisher's randomisation test for matched pairs, p-values as Phipson and Smyth 2010.
    """
    names = list(first)
    if set(names) != set(second):
        raise ValueError("the two models have different counts")
    a, b = (np.array([counts[name] for name in names], dtype=np.float64) for counts in (first, second))
    if a.shape != b.shape or a.ndim != 2 or a.shape[1] == 0:
        raise ValueError("a paired test needs the same items of both models, at least one")
    groups = numbered(clusters, a.shape[1])
    change = np.zeros((int(groups.max()) + 1, len(names)))
    np.add.at(change, groups, (b - a).T)
    change = change[np.any(change != 0, axis=1)]
    exact = len(change) <= _EXACT_UP_TO
    moved = _all_exchanges(change) if exact else _exchanges(change, permutations, seed)
    totals = a.sum(axis=1), b.sum(axis=1)
    observed = _difference(statistic, names, totals[0][None], totals[1][None])
    drawn = _difference(statistic, names, totals[0] + moved, totals[1] - moved)
    return {
        metric: _swapped(float(value[0]), drawn[metric], exact=exact) for metric, value in observed.items()
    }


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """p-values corrected so that any false finding among all of them is as rare as the level says.

    Args:
        p_values: None where there was no test; it counts for nothing.

    Returns:
        In the same order.

    Source: Holm 1979.
    """
    return _corrected(p_values, lambda p, rank, tests: p * (tests - rank), ascending=True)


def benjamini_hochberg(p_values: Sequence[float | None]) -> list[float | None]:
    """p-values corrected so that of the findings at a level only that share is false, in expectation.

    It holds for tests that are independent or positively dependent, as those on related tasks are.

    Args:
        p_values: as for ``holm``.

    Source: Benjamini and Hochberg 1995.
    """
    return _corrected(p_values, lambda p, rank, tests: p * tests / (rank + 1), ascending=False)


def _corrected(
    p_values: Sequence[float | None], weigh: Callable[[float, int, int], float], *, ascending: bool
) -> list[float | None]:
    """Step-wise correction: weighed p-values, made monotone from the small end or from the large one."""
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    weighed = [min(1.0, weigh(p, rank, len(known))) for rank, (p, _) in enumerate(known)]
    steady = (
        np.maximum.accumulate(weighed) if ascending else np.minimum.accumulate(np.array(weighed)[::-1])[::-1]
    )
    found: list[float | None] = [None] * len(p_values)
    for (_, place), p in zip(known, steady, strict=True):
        found[place] = float(p)
    return found


def _difference(statistic: Metrics, names: Sequence[str], a: Array, b: Array) -> dict[str, Array]:
    """metric → second minus first, (draws,), from sums of shape (draws, counts)."""
    first, second = (statistic({name: sums[:, i] for i, name in enumerate(names)}) for sums in (a, b))
    return {metric: second[metric] - first[metric] for metric in first if metric in second}


def _all_exchanges(change: Array) -> Array:
    """What moves from the second model to the first in each of the 2^clusters exchanges: (2^n, counts)."""
    number = len(change)
    exchanged = (np.arange(1 << number)[:, None] >> np.arange(number)) & 1
    moved: Array = exchanged.astype(np.float64) @ change
    return moved


def _exchanges(change: Array, draws: int, seed: int) -> Array:
    """The same of random exchanges: (draws, counts).

    Clusters with equal changes are as one of which a binomial number is exchanged: the same law, cheaper.
    """
    random = np.random.default_rng(seed)
    kinds, times = np.unique(change, axis=0, return_counts=True)
    rows = max(1, _CHUNK // len(kinds))
    moved = []
    for start in range(0, draws, rows):
        size = (min(rows, draws - start), len(kinds))
        if times.max() == 1:
            exchanged = random.integers(0, 2, size, dtype=np.int8).astype(np.float64)
        else:
            exchanged = random.binomial(times, 0.5, size).astype(np.float64)
        moved.append(exchanged @ kinds)
    return np.concatenate(moved)


def _swapped(value: float, drawn: Array, *, exact: bool) -> Swapped:
    if math.isnan(value):
        return Swapped(None, None, exact, None)
    # Sums in another order differ by rounding; what differs by no more is equal.
    reached = np.abs(drawn) >= abs(value) - 1e-9 * max(1.0, abs(value))
    extreme = int(np.count_nonzero(reached | np.isnan(drawn)))
    p = extreme / len(drawn) if exact else (1 + extreme) / (1 + len(drawn))
    defined = drawn[~np.isnan(drawn)]
    spread = float(np.sqrt(np.mean(defined**2))) if len(defined) else None
    return Swapped(value, p, exact, spread)
