"""From answers to scores with intervals: the whole benchmark, its blind baseline, and every breakdown."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from eval.metrics.intervals import NOT_DRAWN, UNDEFINED, Array, Estimate, Totals, bootstrap
from eval.tasks import Item, Task
from eval.tasks.base import Counts
from eval.tasks.official_files import STRUCTURE_ERRORS
from eval.tasks.pope import Pope
from mmtune.errors import UserError


@dataclass(frozen=True)
class Scored:
    """An item with the counts of its answer."""

    item: Item
    counts: Counts


class Aggregating(Protocol):
    """What turns summed counts into metrics: a task, or another way of marking answers; see ``Task``."""

    @property
    def not_shares(self) -> frozenset[str]:
        """Metrics that do not go from 0 to 1."""
        ...

    def aggregate(self, totals: Totals) -> dict[str, Array]:
        """Metrics from summed counts."""
        ...

    def behind(self, metric: str) -> Sequence[str]:
        """Counts that tell how many items are behind a metric."""
        ...


@dataclass(frozen=True)
class Sampling:
    """How intervals are drawn."""

    resamples: int = 1000
    level: float = 0.95
    seed: int = 0


def score_answers(
    task: Task, items: Sequence[Item], answers: Mapping[str, str], missing_is_wrong: bool = False
) -> list[Scored]:
    """Score the answers of an answer file, those counts included that depend on several answers.

    Args:
        task: the benchmark.
        items: its items.
        answers: by item id, as they stand in the file.
        missing_is_wrong: count items without an answer as wrong; else they are left out.

    Raises:
        UserError: if items are missing and the benchmark has nothing that counts as wrong.
    """
    scored = []
    for item in items:
        try:
            if item.id in answers:
                scored.append(Scored(item, task.score_submitted(answers[item.id], item)))
            elif missing_is_wrong:
                scored.append(Scored(item, task.unanswered(item)))
        except STRUCTURE_ERRORS as error:
            raise _not_as_published(task, f"the truth of item {item.id}", error) from error
    try:
        return with_joint(scored, joint_counts(task, scored, answers))
    except STRUCTURE_ERRORS as error:
        raise _not_as_published(task, "an item", error) from error


def _not_as_published(task: Task, what: str, error: Exception) -> UserError:
    told = " ".join(str(error).split())[:120]
    return UserError(
        f"In the benchmark's file {what} is not as it is published ({type(error).__name__}: {told})",
        task.config.annotations,
        "check that it is the benchmark's own file",
    )


def score_answer(task: Task, answer: str, item: Item) -> Counts:
    """Counts of a generated answer; none where the benchmark keeps the truth to itself (a test set, whose
    server scores), or a judge is to mark the answer first."""
    return {} if task.needs_judge or item.truth is None else task.score(answer, item)


def joint_counts(task: Task, scored: Sequence[Scored], answers: Mapping[str, str]) -> Mapping[str, Counts]:
    """Counts that depend on several answers, of the items that have a score of their own.

    Args:
        task: the benchmark.
        scored: what was answered.
        answers: by item id, as they stand in an answer file.
    """
    items = [one.item for one in scored if one.counts]
    return task.joint(answers, items) if items else {}


def with_joint(scored: Sequence[Scored], joint: Mapping[str, Counts]) -> list[Scored]:
    """Add the counts that depend on several answers; every scored item gets every count, 0 where it adds
    nothing.

    Args:
        scored: items with their own counts.
        joint: of ``Task.joint``.
    """
    if not joint:
        return list(scored)
    zero = dict.fromkeys((name for counts in joint.values() for name in counts), 0.0)
    return [
        Scored(one.item, {**one.counts, **zero, **joint.get(one.item.id, {})}) if one.counts else one
        for one in scored
    ]


def whole_table(
    task: Task, scored: Sequence[Scored], answers: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """Metrics that are not a function of summed counts: as ``score_table``, without intervals."""
    items = [one.item for one in scored]
    clusters = len({cluster(item) for item in items})
    try:
        found = task.whole(answers, items)
    except STRUCTURE_ERRORS as error:
        raise _not_as_published(task, "an item", error) from error
    behind = (len(items), clusters)
    return {
        name: asdict(Estimate(value, None, None, *behind, why=UNDEFINED if value is None else NOT_DRAWN))
        for name, value in found.items()
    }


def cluster(item: Item) -> str:
    """What an item is drawn with: its image, or itself where it has none."""
    return item.image or f"item {item.id}"


def score_table(
    task: Aggregating, answers: Sequence[Scored], sampling: Sampling
) -> dict[str, dict[str, Any]]:
    """metric → {value, low, high, n, clusters}; empty where nothing was answered or nothing can be scored."""
    answers = [scored for scored in answers if scored.counts]
    if not answers:
        return {}
    names = dict.fromkeys(name for scored in answers for name in scored.counts)
    counts = {name: [scored.counts.get(name, 0.0) for scored in answers] for name in names}
    images = [cluster(scored.item) for scored in answers]
    return with_intervals(counts, task.aggregate, images, sampling, task.not_shares, task.behind)


def breakdowns(
    task: Aggregating, answers: Sequence[Scored], blind: Sequence[Scored], sampling: Sampling
) -> dict[str, dict[str, Any]]:
    """breakdown → kind → {n, metrics, blind}, kinds in alphabetical order."""
    found: dict[str, dict[str, Any]] = {}
    for breakdown in dict.fromkeys(name for scored in answers for name in scored.item.kinds):
        seen, unseen = _by_kind(answers, breakdown), _by_kind(blind, breakdown)
        found[breakdown] = {
            kind: {
                "n": len(seen[kind]),
                "metrics": score_table(task, seen[kind], sampling),
                "blind": score_table(task, unseen.get(kind, []), sampling),
            }
            for kind in sorted(seen)
        }
    return found


def pope_mean(
    answers: Mapping[str, tuple[Task, Sequence[Scored]]], sampling: Sampling
) -> dict[str, Any] | None:
    """Mean F1 over the POPE splits on COCO, images resampled for all of them together; None for fewer than
    two splits.

    It is the figure that LLaVA-1.5 reports for POPE, where it is over all three, which ``splits`` names.
    """
    splits = {n: (t, a) for n, (t, a) in answers.items() if isinstance(t, Pope) and t.source == "coco" and a}
    if len(splits) < 2:
        return None
    names = [(split, count) for split, (_, scored) in splits.items() for count in scored[0].counts]
    counts: dict[str, list[float]] = {f"{split}/{count}": [] for split, count in names}
    images: list[str] = []
    for split, (_, scored) in splits.items():
        for one in scored:
            images.append(cluster(one.item))
            for of, count in names:
                counts[f"{of}/{count}"].append(one.counts[count] if of == split else 0.0)

    def mean_f1(totals: Totals) -> dict[str, Array]:
        each = [
            task.aggregate({c: totals[f"{split}/{c}"] for c in scored[0].counts})["f1"]
            for split, (task, scored) in splits.items()
        ]
        return {"f1": np.mean(each, axis=0)}

    return with_intervals(counts, mean_f1, images, sampling)["f1"] | {"splits": list(splits)}


def with_intervals(
    counts: Mapping[str, Sequence[float]],
    statistic: Callable[[Totals], Mapping[str, Array]],
    images: Sequence[str],
    sampling: Sampling,
    not_shares: Container[str] = (),
    behind: Callable[[str], Sequence[str]] = lambda metric: (),
) -> dict[str, dict[str, Any]]:
    """Metrics of summed counts, drawn as a run's settings say: metric → {value, low, high, n, clusters, …}.

    Args:
        counts: name → one number an item.
        statistic: metrics from sums of the counts.
        images: of each item, or what it is drawn with.
        sampling: how intervals are drawn.
        not_shares: metrics that do not go from 0 to 1.
        behind: names of the counts that tell how many items are behind a metric.
    """
    found = bootstrap(
        counts, statistic, images, sampling.resamples, sampling.level, sampling.seed, not_shares, behind
    )
    return {name: asdict(estimate) for name, estimate in found.items()}


def _by_kind(answers: Sequence[Scored], breakdown: str) -> dict[str, list[Scored]]:
    groups: dict[str, list[Scored]] = {}
    for scored in answers:
        if breakdown in scored.item.kinds:
            groups.setdefault(scored.item.kinds[breakdown], []).append(scored)
    return groups
