"""The same items under two or more conditions: differences with intervals that draw whole images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from eval.metrics.intervals import Array, Totals, ratio
from eval.robustness.base import Outcomes
from eval.scoring import Sampling, Scored, cluster, joint_counts, with_intervals, with_joint
from eval.tasks import Task

Metrics = Mapping[str, Mapping[str, Array]]
"""condition → metric → (resamples,)."""


def common(tables: Iterable[Outcomes]) -> list[str]:
    """Ids of the items that were answered under all conditions, in the order of the first."""
    first, *others = tables
    return [item for item in first.scored if all(item in table.scored for table in others)]


def estimates(
    task: Task,
    tables: Mapping[str, Outcomes],
    ids: Sequence[str],
    told: Callable[[Metrics], Mapping[str, Array]],
    sampling: Sampling,
) -> dict[str, dict[str, Any]]:
    """What ``told`` makes of the metrics under all conditions, each with an interval.

    Images are drawn for all conditions together, so that what they share falls out of a difference.

    Args:
        task: whose metrics.
        tables: condition → outcomes.
        ids: of the items that count, answered under all conditions.
        told: takes the metrics of each condition from drawn totals.
        sampling: how intervals are drawn.

    Returns:
        name → {value, low, high, n, clusters}; empty where nothing was answered under all conditions, or
        the task has no primary metric for want of truth.
    """
    if not ids or task.needs_judge:
        return {}
    counts: dict[str, list[float]] = {}
    names: dict[str, list[str]] = {}
    for table, outcomes in tables.items():
        scored = joined(task, outcomes, ids)
        names[table] = list(dict.fromkeys(name for one in scored for name in one.counts))
        for name in names[table]:
            counts[f"{table}\0{name}"] = [one.counts.get(name, 0.0) for one in scored]

    def statistic(totals: Totals) -> Mapping[str, Array]:
        metrics = {
            table: task.aggregate({name: totals[f"{table}\0{name}"] for name in names[table]})
            for table in tables
        }
        return told(metrics) if all(task.primary in found for found in metrics.values()) else {}

    if not counts:
        return {}
    images = [cluster(next(iter(tables.values())).scored[item].item) for item in ids]
    return with_intervals(counts, statistic, images, sampling, _Everything())


def difference(
    task: Task, before: Outcomes, after: Outcomes, sampling: Sampling
) -> dict[str, dict[str, Any]]:
    """What each metric gains from one condition to the other, over the items answered under both."""

    def told(metrics: Metrics) -> dict[str, Array]:
        old, new = metrics["before"], metrics["after"]
        return {metric: new[metric] - old[metric] for metric in new if metric in old}

    tables = {"before": before, "after": after}
    return estimates(task, tables, common(tables.values()), told, sampling)


def shares(
    counts: Mapping[str, Sequence[float]], of: str, images: Sequence[str], sampling: Sampling
) -> dict[str, dict[str, Any]]:
    """Each of the counts as a share of one of them, with an interval."""

    def told(totals: Totals) -> dict[str, Array]:
        return {name: ratio(totals[name], totals[of]) for name in counts if name != of}

    return with_intervals(
        counts,
        told,
        images,
        sampling,
        behind=lambda metric: (of,),
    )


def joined(task: Task, outcomes: Outcomes, ids: Sequence[str]) -> list[Scored]:
    """The outcomes of these items, with the counts that depend on several answers to them."""
    texts = {item: task.submitted(outcomes.answers[item].text) for item in ids}
    found = [outcomes.scored[item] for item in ids]
    return with_joint(found, joint_counts(task, found, texts))


class _Everything:
    """Holds whatever it is asked for: no difference is a share."""

    def __contains__(self, what: object) -> bool:
        return True
