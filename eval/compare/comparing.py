"""Compare finished runs: every metric's difference with its interval and test, corrected over the tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.compare.counts import TaskCounts
from eval.compare.groups import Group
from eval.compare.matching import Matched, asked_otherwise, judged_apart, match_task
from eval.compare.metrics import compare_metrics
from eval.compare.stored import Answer
from eval.metrics.intervals import NOT_DRAWN
from eval.metrics.power import POWER
from eval.metrics.significance import benjamini_hochberg, holm
from eval.tasks import TASKS, Task, TaskConfig
from mmtune.errors import UserError
from mmtune.wording import agreeing, counted

Comparison = dict[str, Any]
"""What ``compare`` gives."""


@dataclass(frozen=True)
class Drawing:
    """How intervals and p-values are drawn."""

    resamples: int = 2000
    permutations: int = 10_000
    level: float = 0.95
    seed: int = 0


def compare(groups: Sequence[Group], drawing: Drawing | None = None) -> Comparison:
    """Compare models with the first one, over the items that all their runs answered.

    Intervals are those of a bootstrap that draws images, the same ones for every run, so that what is hard
    for all models cancels out. p-values are McNemar's exact ones where a metric is the share of right answers
    to questions about images of their own; else they come from exchanging the models' answers image by image
    (``eval.metrics.significance.swap_test``); with several seeds they come from a t-test that counts both the
    spread between seeds and between items. Corrections go over the primary metrics of all tasks and models.

    Args:
        groups: the models; each later one is compared with the first.
        drawing: how it is drawn.

    Returns:
        ``{"models": [{name, runs, checkpoints}], "tasks": {task: {"n", "of", "clusters", "only", "primary",
        "metrics": {metric: {"values": [estimate of each model], "against_first": [None, {difference, low,
        high, p, test, …}, …]}}, "flips"}}, "not_compared": {task: reason}, "notes", "settings"}``; undefined
        figures are None.

    Raises:
        UserError: if runs do not belong together, or have no item in common.
    """
    drawing = drawing or Drawing()
    runs = [run for group in groups for run in group.runs]
    names = [name for name in runs[0].results["tasks"] if all(name in run.results["tasks"] for run in runs)]
    skipped = {
        name: "not every run has it" for run in runs for name in run.results["tasks"] if name not in names
    }
    if not names:
        raise UserError(
            "The runs have no task in common",
            "; ".join(f"{run.folder}: {', '.join(run.results['tasks'])}" for run in runs),
            "run mmtune eval with the same --task",
        )
    tasks: dict[str, Any] = {}
    notes: list[str] = []
    for name in names:
        matched = match_task(name, runs)
        reason = judged_apart(name, runs) or _not_comparable(matched)
        if reason:
            skipped[name] = reason
            continue
        notes += asked_otherwise(name, runs)
        if judge := runs[0].results["tasks"][name].get("judged_by"):
            notes.append(f"{name} is judged by {judge}")
        tasks[name] = _compare_task(matched, groups, drawing)
        notes += _gaps(name, tasks[name], [group.name for group in groups])
    if not tasks:
        raise UserError(
            "Nothing can be compared: " + "; ".join(f"{name}: {why}" for name, why in skipped.items())
        )
    _correct(tasks, len(groups))
    return {
        "models": [_model(group) for group in groups],
        "tasks": tasks,
        "not_compared": skipped,
        "notes": notes,
        "settings": {
            "resamples": drawing.resamples,
            "permutations": drawing.permutations,
            "level": drawing.level,
            "power": POWER,
            "seed": drawing.seed,
            "corrected_over": "primary metrics of all tasks and models",
            "tests_corrected": sum(one["p"] is not None for one in _tests(tasks, len(groups))),
        },
    }


def stored_task(name: str, result: Mapping[str, Any]) -> Task:
    """The benchmark of a stored result, without its files: enough for ``aggregate`` and ``behind``.

    Raises:
        UserError: for a benchmark that this version does not have.
    """
    benchmark = result["benchmark"]
    # Some tell their split by the file's name; nothing is read from it.
    annotations = result.get("config", {}).get("annotations") or name
    return TASKS.find(benchmark)(TaskConfig(benchmark, annotations, name=name))


def group_right(answers: Sequence[Answer]) -> bool:
    """Whether a model is right about an item: more than half of its seeds are."""
    return 2 * sum(answer.right for answer in answers) > len(answers)


def by_group(matched: Matched, groups: Sequence[Group]) -> list[list[Mapping[str, Answer]]]:
    """The answers of each model's runs."""
    left = iter(matched.answers)
    return [[next(left) for _ in group.runs] for group in groups]


def _not_comparable(matched: Matched) -> str | None:
    if not matched.ids:
        return "no item was answered by all runs"
    if not any(answer.counts for answer in matched.answers[0].values()):
        return "nothing was scored"
    return None


def _compare_task(matched: Matched, groups: Sequence[Group], drawing: Drawing) -> dict[str, Any]:
    result = groups[0].runs[0].results["tasks"][matched.task]
    task = stored_task(matched.task, result)
    of_runs = [run.results["tasks"][matched.task] for group in groups for run in group.runs]
    counts = TaskCounts.gather(task, matched, [len(group.runs) for group in groups])
    metrics = compare_metrics(counts, drawing.resamples, drawing.permutations, drawing.level, drawing.seed)
    without, lost = _not_from_sums(metrics, of_runs, matched, [len(group.runs) for group in groups])
    return {
        "benchmark": result["benchmark"],
        "title": result["title"],
        "primary": result["primary"],
        "lower_is_better": list(result["lower_is_better"]),
        "not_shares": sorted(task.not_shares),
        "n": len(matched.ids),
        "of": max(one["of"] for one in of_runs),
        "clusters": len(set(matched.clusters)),
        "answered": [one["n"] for one in of_runs],
        "only": matched.unmatched(),
        "metrics": metrics | without,
        "left_out": lost,
        "flips": _flips(matched, groups),
    }


def _not_from_sums(
    found: Mapping[str, Any],
    of_runs: Sequence[Mapping[str, Any]],
    matched: Matched,
    seeds: Sequence[int],
) -> tuple[dict[str, Any], list[str]]:
    """Metrics that cannot be computed anew from the counts, without intervals, where all runs answered the
    same items; else the names of those that are left out."""
    names = [name for name in of_runs[0]["metrics"] if name not in found]
    if not matched.joint:
        return {}, names
    entries: dict[str, Any] = {}
    for name in names:
        values = [one["metrics"].get(name, {}).get("value") for one in of_runs]
        if any(value is None for value in values):
            continue
        left = iter(values)
        means = [sum(next(left) for _ in range(count)) / count for count in seeds]
        empty = {"low": None, "high": None, "n": len(matched.ids), "why": NOT_DRAWN}
        entries[name] = {
            "values": [{"value": mean, **empty} for mean in means],
            "against_first": [
                None,
                *({"difference": mean - means[0], **empty, "p": None, "test": None} for mean in means[1:]),
            ],
        }
    return entries, []


def _flips(matched: Matched, groups: Sequence[Group]) -> list[dict[str, int] | None]:
    """For each model how many items only it or only the first has right."""
    of_groups = by_group(matched, groups)
    right = [[group_right([answers[key] for answers in runs]) for key in matched.ids] for runs in of_groups]
    found: list[dict[str, int] | None] = [None]
    for other in right[1:]:
        pairs = list(zip(right[0], other, strict=True))
        found.append(
            {
                "both": sum(a and b for a, b in pairs),
                "only_first": sum(a and not b for a, b in pairs),
                "only_this": sum(b and not a for a, b in pairs),
                "neither": sum(not a and not b for a, b in pairs),
            }
        )
    return found


def _correct(tasks: Mapping[str, Any], models: int) -> None:
    """Add ``p_holm`` and ``p_bh`` to the tests of the primary metrics."""
    tests = _tests(tasks, models)
    p_values = [test["p"] for test in tests]
    for test, by_holm, by_bh in zip(tests, holm(p_values), benjamini_hochberg(p_values), strict=True):
        test["p_holm"], test["p_bh"] = by_holm, by_bh


def _tests(tasks: Mapping[str, Any], models: int) -> list[dict[str, Any]]:
    return [
        found["metrics"][found["primary"]]["against_first"][model]
        for found in tasks.values()
        if found["primary"] in found["metrics"]
        for model in range(1, models)
    ]


def _gaps(name: str, found: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    sentences = [
        f"{name}: the {found['primary']} of {names[model]} is undefined (it divides by 0), and so is its"
        " difference"
        for model, one in enumerate(found["metrics"].get(found["primary"], {}).get("values", ()))
        if one["value"] is None
    ]
    if found["n"] < found["of"]:
        sentences.append(f"{name} is compared over {found['n']} of {counted(found['of'], 'item')}")
    if found["left_out"]:
        sentences.append(
            f"{', '.join(found['left_out'])} of {name}"
            f" {agreeing(len(found['left_out']), 'depends', 'depend')} on several answers each and"
            f" {agreeing(len(found['left_out']), 'is', 'are')} not compared, as the runs did not"
            f" answer the same"
            " items"
        )
    return sentences


def _model(group: Group) -> dict[str, Any]:
    return {
        "name": group.name,
        "runs": [str(run.folder) for run in group.runs],
        "checkpoints": [run.results.get("checkpoint") for run in group.runs],
    }
