"""Lays the answers that are to be judged beside the benchmark's items, by id."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from eval.answer_files import Matched, match
from eval.json_files import read_rows
from eval.judges.marking import Case
from eval.tasks import Item, Task, TaskConfig, build_task
from eval.tasks.judged import JudgedTask
from eval.tasks.official_files import load_checked
from eval.unfinished import GO_ON, refuse_unfinished
from mmtune.errors import UserError


def read_case(
    config: TaskConfig,
    predictions: Path,
    *,
    against: Path | None = None,
    missing: str = "refuse",
    extra: str = "refuse",
    blind: bool = False,
) -> Case:
    """A benchmark with the answers of one model, or of two.

    Args:
        config: the benchmark and its files.
        predictions: answers in the form that the benchmark's own script takes, or a run's predictions.
        against: another model's, to compare with.
        missing: items without an answer: ``refuse`` the file, count them ``wrong``, or ``skip`` them.
        extra: answers to items that the benchmark does not have: ``refuse`` the file, or ``ignore`` them.
        blind: take the answers of the blind baseline, of a run's predictions.

    Raises:
        UserError: for files that cannot be read or do not belong together.
    """
    task = build_task(config)
    items = load_checked(task.load, config.annotations or "")
    if not items:
        raise UserError("The benchmark's file has no items", config.annotations, "check the path")
    if missing == "refuse":
        for path in (predictions, against):
            if path is not None:
                refuse_unfinished(path, task.name, GO_ON)
    if blind:
        own = own_rows(read_rows(predictions), task.name, blind=True)
        unseen = {key: row["prediction"] for key, row in own.items()}
        return Case(task, items, match(unseen, (item.id for item in items), predictions, missing).answers)
    ours = _matched(task, items, predictions, missing, extra)
    theirs = None if against is None else _matched(task, items, against, missing, extra)
    compared = theirs.answers if theirs else {}
    return Case(task, items, ours.answers, compared, missing == "wrong", len(ours.extra))


def own_rows(rows: Iterable[dict[str, Any]], task: str, *, blind: bool) -> dict[str, dict[str, Any]]:
    """Rows of a run's predictions that hold an answer to a task, by item id.

    Args:
        rows: of ``predictions.jsonl``.
        task: its name in the run.
        blind: those of the blind baseline in place of those about the items' own images.
    """
    return {
        row["id"]: row
        for row in rows
        if row["task"] == task and row["blind"] is blind and "prediction" in row
    }


def described_files(task: Task) -> dict[str, Any]:
    """Where a benchmark is, as a replay finds it again."""
    config = {name: value for name, value in vars(task.config).items() if value is not None}
    return {"annotations": str(task.annotations), "config": config}


def _matched(task: Task, items: list[Item], path: Path, missing: str, extra: str) -> Matched:
    # What a benchmark with a judge calls its answer file is that of the judgements.
    read = task.read_model_answers if isinstance(task, JudgedTask) else task.read_answers
    return match(read(path, items), (item.id for item in items), path, missing, extra)
