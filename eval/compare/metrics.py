"""The differences of one task's metrics between models, with intervals, tests and what could be seen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from eval.compare.agreeing import farthest
from eval.compare.counts import TaskCounts
from eval.metrics.intervals import Array, Estimate, Totals, bootstrap, exact_binomial
from eval.metrics.power import detectable, fewest_flips, out_of_reach
from eval.metrics.significance import Swapped, mcnemar_exact, swap_test
from eval.metrics.student import mean_over_seeds_and_items, over_seeds_and_items, variance

MCNEMAR, SWAP_EXACT, SWAP = "mcnemar_exact", "swap_exact", "swap"
SEEDS_AND_ITEMS, ITEMS_ALONE = "t_seeds_and_items", "z_items_alone"
TESTS: Mapping[str, str] = {
    MCNEMAR: "McNemar's exact test",
    SWAP_EXACT: "all exchanges of the models' answers, image by image",
    SWAP: "random exchanges of the models' answers, image by image",
    SEEDS_AND_ITEMS: "t-test over seeds and items",
    ITEMS_ALONE: "normal test over items alone: a model has one seed, so the spread of its seeds is unknown",
}
"""Each test in words."""


@dataclass(frozen=True)
class Flips:
    """Items that one of two models has right and the other wrong."""

    only_first: int
    only_this: int
    items: int
    """Behind the metric."""
    images: int


def compare_metrics(
    counts: TaskCounts, resamples: int, permutations: int, level: float, seed: int
) -> dict[str, Any]:
    """metric → values and differences; see ``eval.compare.comparing.compare``."""
    drawn = _bootstrap(counts, resamples, level, seed)
    single = [_by_run(run, counts) for run in counts.runs]
    each: dict[int, Mapping[str, Array]] = {}
    swapped: dict[int, dict[str, Swapped]] = {}
    for model in range(1, len(counts.seeds)):
        if counts.seeds[0] == counts.seeds[model] == 1:
            a, b = counts.of(0)[0], counts.of(model)[0]
            each |= {0: each.get(0) or counts.aggregate(a), model: counts.aggregate(b)}
            swapped[model] = swap_test(a, b, counts.aggregate, counts.clusters, permutations, seed)  # type: ignore[arg-type]
    found: dict[str, Any] = {}
    for metric in single[0]:
        values = [
            _value(
                drawn[f"value {model} {metric}"],
                _of_model(single, counts, model, metric),
                level,
                share=metric not in counts.task.not_shares,
            )
            for model in range(len(counts.seeds))
        ]
        against: list[dict[str, Any] | None] = [None]
        for model in range(1, len(counts.seeds)):
            change = drawn[f"change {model} {metric}"]
            if model in swapped:
                flips = _flips(
                    [(each[one][metric], values[one]["value"]) for one in (0, model)], counts.clusters
                )
                found_here = _two_runs(change, swapped[model][metric], flips, level)
                if found_here["low"] is None and found_here["difference"] == 0:
                    unseen = exact_binomial(0, change.clusters, level)[1] if change.clusters else 1.0
                    bound = farthest(counts, metric, unseen)
                    if bound is not None:
                        found_here |= {"low": -bound, "high": bound, "why": None}
                against.append(found_here)
            else:
                seeds = [_of_model(single, counts, one, metric) for one in (0, model)]
                against.append(_seeds(seeds, change, level))
        if metric not in counts.task.not_shares:
            against = [None if one is None else _within_reach(one, values[0]["value"]) for one in against]
        found[metric] = {"values": values, "against_first": against}
    return found


def _by_run(run: Mapping[str, Array], counts: TaskCounts) -> dict[str, float]:
    totals = {name: values.sum(keepdims=True) for name, values in run.items()}
    return {metric: float(value[0]) for metric, value in counts.aggregate(totals).items()}


def _of_model(
    single: Sequence[Mapping[str, float]], counts: TaskCounts, model: int, metric: str
) -> list[float]:
    start = sum(counts.seeds[:model])
    return [run[metric] for run in single[start : start + counts.seeds[model]]]


def _bootstrap(counts: TaskCounts, resamples: int, level: float, seed: int) -> dict[str, Estimate]:
    """Every model's metrics and their differences to the first's, all from the same draws of images."""
    table = {
        f"{run} {name}": values for run, of_run in enumerate(counts.runs) for name, values in of_run.items()
    }
    names = list(counts.runs[0])

    def statistic(totals: Totals) -> dict[str, Array]:
        of_runs = [
            counts.aggregate({name: totals[f"{run} {name}"] for name in names})
            for run in range(len(counts.runs))
        ]
        left = iter(of_runs)
        models = []
        for number in counts.seeds:
            seeds = [next(left) for _ in range(number)]
            models.append({metric: np.mean([one[metric] for one in seeds], axis=0) for metric in seeds[0]})
        values = {f"value {m} {metric}": v for m, one in enumerate(models) for metric, v in one.items()}
        changes = {
            f"change {m} {metric}": v - models[0][metric]
            for m, one in enumerate(models)
            if m
            for metric, v in one.items()
        }
        return values | changes

    unbounded = _Unbounded(counts.task.not_shares)
    return bootstrap(
        table,  # type: ignore[arg-type]
        statistic,
        counts.clusters,
        resamples,
        level,
        seed,
        unbounded,
        lambda key: [f"0 {name}" for name in counts.task.behind(key.split(" ", 2)[2])],
    )


@dataclass(frozen=True)
class _Unbounded:
    """The names of what is no share: differences, and the task's own."""

    not_shares: frozenset[str]

    def __contains__(self, key: object) -> bool:
        kind, _, metric = str(key).split(" ", 2)
        return kind == "change" or metric in self.not_shares


def _value(estimate: Estimate, seeds: Sequence[float], level: float, *, share: bool) -> dict[str, Any]:
    """A model's value; of several seeds the interval counts the spread of seeds and of items."""
    found = asdict(estimate)
    if len(seeds) > 1:
        defined = not any(math.isnan(value) for value in seeds)
        found["seeds"] = [None if math.isnan(value) else value for value in seeds]
        found["between_seeds"] = math.sqrt(variance(seeds)) if defined else None
        found["between_items"] = found["se"]
        found["items"] = {"low": estimate.low, "high": estimate.high}
        both = None
        if defined and estimate.se is not None:
            both = mean_over_seeds_and_items(seeds, estimate.se, estimate.clusters, level)
        low, high = both or (None, None)
        if both and share:
            low, high = max(0.0, both[0]), min(1.0, both[1])
        found |= {"low": low, "high": high}
    return found


def _two_runs(change: Estimate, swapped: Swapped, flips: Flips | None, level: float) -> dict[str, Any]:
    found: dict[str, Any] = {
        "difference": swapped.difference,
        "low": change.low,
        "high": change.high,
        "se": change.se,
        "n": change.n,
        "clusters": change.clusters,
        "why": change.why,
        "p": swapped.p,
        "test": None if swapped.p is None else SWAP_EXACT if swapped.exact else SWAP,
        "detectable": None,
    }
    if swapped.null_sd:
        found["detectable"] = detectable(swapped.null_sd, change.se, level)
    if flips is not None and swapped.p is not None:
        p = mcnemar_exact(flips.only_first, flips.only_this)
        found["mcnemar"] = {"only_first": flips.only_first, "only_this": flips.only_this, "p": p}
        if flips.items == flips.images:  # else answers about one image are not independent
            found["p"], found["test"] = p, MCNEMAR
        found["detectable"] = max(found["detectable"] or 0.0, fewest_flips(level) / flips.items)
        if flips.only_first == flips.only_this == 0:
            # The draws all agree; how often the models can differ is bounded by never having been seen to.
            bound = exact_binomial(0, flips.images, level)[1]
            found["low"], found["high"], found["why"] = -bound, bound, None
    return found


def _flips(models: Sequence[tuple[Array, float | None]], clusters: Sequence[str]) -> Flips | None:
    """The flips of a metric that is the mean of a 0 or 1 of each item; None for other metrics.

    Args:
        models: of two, the metric of each item alone, NaN where the item is not behind it, and of all.
        clusters: of the items.
    """
    for each, whole in models:
        there = ~np.isnan(each)
        if whole is None or each.shape != (len(clusters),) or not there.any():
            return None
        if not np.isin(each[there], (0.0, 1.0)).all() or abs(each[there].mean() - whole) > 1e-12:
            return None
    a, b = (each for each, _ in models)
    there = ~np.isnan(a)
    if not np.array_equal(there, ~np.isnan(b)):
        return None
    images = {cluster for cluster, is_there in zip(clusters, there, strict=True) if is_there}
    return Flips(
        int(np.sum(a[there] > b[there])), int(np.sum(b[there] > a[there])), int(there.sum()), len(images)
    )


def _within_reach(change: dict[str, Any], first: float | None) -> dict[str, Any]:
    """The difference of a share from ``first``, with no detectable one where that is more than can be."""
    beyond = None not in (change["detectable"], first) and out_of_reach(change["detectable"], first)  # type: ignore[arg-type]
    return change | {"detectable": None if beyond else change["detectable"], "out_of_reach": beyond}


def _seeds(seeds: Sequence[Sequence[float]], change: Estimate, level: float) -> dict[str, Any]:
    """The difference between means over seeds; the spread of seeds and of items counts."""
    found: dict[str, Any] = {
        "difference": change.value,
        "low": None,
        "high": None,
        "n": change.n,
        "clusters": change.clusters,
        "why": change.why,
        "p": None,
        "test": None,
        "detectable": None,
        "items": {"low": change.low, "high": change.high, "se": change.se},
    }
    if change.value is None or change.se is None:
        return found
    normal = NormalDist()
    both = over_seeds_and_items(seeds[0], seeds[1], change.se, change.clusters, level)
    if both is not None:
        found |= {"low": both.low, "high": both.high, "p": both.p, "test": SEEDS_AND_ITEMS}
        found |= {"se": both.se, "degrees_of_freedom": both.degrees}
        found["detectable"] = detectable(both.se, None, level)
    else:
        found |= {"low": change.low, "high": change.high, "se": change.se, "test": ITEMS_ALONE}
        found["p"] = 2 * (1 - normal.cdf(abs(change.value) / change.se)) if change.se else None
        found["detectable"] = detectable(change.se, None, level)
    return found
