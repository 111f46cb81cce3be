"""Scores an answer file that exists already: no model, no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eval.answer_files import Matched, match
from eval.scoring import Sampling, breakdowns, score_answers, score_table, whole_table
from eval.tasks import Task, TaskConfig, build_task
from eval.tasks.official_files import load_checked
from eval.unfinished import GO_ON, refuse_unfinished
from mmtune.errors import UserError

_LISTED = 20


def score_file(
    config: TaskConfig,
    predictions: Path,
    *,
    missing: str = "refuse",
    extra: str = "refuse",
    sampling: Sampling | None = None,
) -> dict[str, Any]:
    """Score answers in the benchmark's own form against its official files, matched by id.

    Args:
        config: the benchmark and its files.
        predictions: the answer file, or the folder of them where the benchmark has several.
        missing: items without an answer: ``refuse`` the file, count them ``wrong``, or ``skip`` them.
        extra: answers to items that the benchmark does not have: ``refuse`` the file, or ``ignore`` them.
        sampling: how intervals are drawn.

    Returns:
        ``{"task", "n" (items behind the score), "of" (items in the benchmark's files), "answered",
        "complete", "missing" (the first ids), "missing_counted_as_wrong", "extra", "primary", "metrics":
        {metric: {value, low, high, n, clusters}}, "by": {breakdown: {kind: {n, metrics}}}, …}``; shares go
        from 0 to 1, and what is undefined is None.

    Raises:
        UserError: for files that cannot be read or do not belong together, answers that are missing, too many
            or not text.
    """
    sampling = sampling or Sampling()
    task = build_task(config)
    items = load_checked(task.load_truth, config.annotations or "")
    if not items:
        raise UserError("The benchmark's file has no items", config.annotations, "check the path")
    if all(item.truth is None for item in items):
        raise UserError(
            "The file holds no truth to score against", config.annotations, "give the split with the answers"
        )
    if missing == "refuse":
        refuse_unfinished(predictions, task.name, GO_ON)
    matched = match(
        task.read_answers(predictions, items), (item.id for item in items), predictions, missing, extra
    )
    return _result(task, config, matched, items, missing, sampling) | {"predictions": str(predictions)}


def _result(
    task: Task, config: TaskConfig, matched: Matched, items: list[Any], missing: str, sampling: Sampling
) -> dict[str, Any]:
    scored = score_answers(task, items, matched.answers, missing_is_wrong=missing == "wrong")
    kinds = breakdowns(task, scored, [], sampling)
    return {
        "task": config.task,
        "title": task.title,
        "n": len(scored),
        "of": len(items),
        "answered": len(matched.answers),
        "complete": len(matched.answers) == len(items),
        "missing_counted_as_wrong": len(scored) - len(matched.answers),
        "missing": list(matched.missing[:_LISTED]),
        "extra": len(matched.extra),
        "primary": task.primary,
        "lower_is_better": sorted(task.lower_is_better),
        "metrics": score_table(task, scored, sampling) | whole_table(task, scored, matched.answers),
        "by": {
            name: {kind: {"n": part["n"], "metrics": part["metrics"]} for kind, part in kinds_of.items()}
            for name, kinds_of in kinds.items()
        },
        "settings": {"level": sampling.level, "resamples": sampling.resamples, "seed": sampling.seed},
        "annotations": config.annotations,
    }
