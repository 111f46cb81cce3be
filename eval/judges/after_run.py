"""Judges what a run has answered, and puts the scores among the run's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from eval.backends.base import Answer
from eval.blind import blind_lacking
from eval.json_files import read_rows, write_json, write_rows
from eval.judges.agreement import VERDICTS
from eval.judges.answers import described_files, own_rows
from eval.judges.judging import Judging
from eval.judges.marking import Case
from eval.judges.run import RESULT, judge
from eval.reliability.confidence import confidence
from eval.scoring import Sampling, Scored
from eval.tasks import Task, TaskConfig, build_tasks

FOLDER = "judged"
_LISTED = 20
_TAKEN = (
    "n",
    "of",
    "complete",
    "primary",
    "metrics",
    "without_verdict",
    "items_without_verdict",
    "replies",
    "unparsed",
    "unread_as",
    "runs",
    "orders",
    "judge",
)
"""Parts of a judged score that go into the run's results."""


def judge_run(
    out: Path,
    results: Mapping[str, Any],
    configs: Sequence[TaskConfig],
    how: Judging,
    failures: list[Exception] | None = None,
) -> dict[str, Any]:
    """Have the answers of a run's judged benchmarks marked, those of the blind baseline too.

    ``metrics.json`` gets the scores, ``predictions.jsonl`` the verdicts, and ``judged/TASK`` and
    ``judged/TASK.blind`` the judgements. Benchmarks that need no judge are left as they are.

    Args:
        out: the run's folder.
        results: of ``eval.runner.run``.
        configs: of its tasks.
        how: who judges, and how; two answers are swapped for the model's own score only.
        failures: gets the error that ended the judging, which is then no longer raised: a judge that fails
            must not cost the report of what was answered. ``judging_failed`` of the benchmarks without a
            score says why.

    Returns:
        The results with the scores in them.

    Raises:
        UserError: as ``eval.judges.run.judge``; the run's answers stay, and what was judged is kept.
    """
    path = out / "predictions.jsonl"
    rows = read_rows(path)
    told = results["settings"]  # all intervals of a run are drawn alike
    how = replace(how, sampling=Sampling(told["resamples"], told["level"], told["seed"]))
    tasks = {name: task for name, task in build_tasks(configs).items() if task.needs_judge}
    judged = {name: dict(part) for name, part in results["tasks"].items()}
    failed: Exception | None = None
    for name, task in tasks.items():
        if not own_rows(rows, name, blind=False):
            continue
        unmarked = [dict(row) for row in rows]
        try:
            judged[name] |= _judged(task, judged[name], path, rows, how, out / FOLDER)
        except Exception as error:  # noqa: BLE001 - given back, or raised when the files are written
            failed, rows = error, unmarked  # a benchmark without a score has no verdicts either
            break
    if failed is not None:
        for name in tasks:
            if judged[name].get("needs_judge"):
                judged[name]["judging_failed"] = str(failed) or type(failed).__name__
    write_rows(path, rows)
    found = {**results, "tasks": judged}
    write_json(out / "metrics.json", found)
    if failed is not None:
        if failures is None:
            raise failed
        failures.append(failed)
    return found


def _judged(
    task: Task, told: Mapping[str, Any], path: Path, rows: list[dict[str, Any]], how: Judging, folder: Path
) -> dict[str, Any]:
    """What a judge adds to a task's results, those about other images included."""
    seen = _marked(task, path, rows, how, folder / task.name, blind=False)
    found = {part: seen[part] for part in _TAKEN if part in seen}
    found["without_verdict"] = dict(list(seen["without_verdict"].items())[:_LISTED])
    found["judged_file"] = str(folder / task.name / RESULT)  # which has all of them
    found |= {"needs_judge": False, "by": seen["by"], "judged_by": _by(seen)}
    found["confidence"] = _confidence(task, rows, how.sampling)
    unseen: Mapping[str, Any] = {"metrics": None, "by": {}}
    if told["blind"] is not None:
        unseen = _marked(
            task, path, rows, replace(how, swap=False), folder / f"{task.name}.blind", blind=True
        )
        own, other = (own_rows(rows, task.name, blind=blind) for blind in (False, True))
        asked = [item for item in task.load() if item.id in own]
        failed = {
            row["id"]: row["error"]
            for row in rows
            if row["task"] == task.name and row["blind"] and "error" in row
        }
        found["blind_lacking"] = blind_lacking(
            asked, seen["metrics"], unseen["metrics"] or {}, len(other), failed
        )
    found["blind"] = unseen["metrics"]
    for breakdown, kinds in found["by"].items():
        for kind, part in kinds.items():
            part["blind"] = unseen["by"].get(breakdown, {}).get(kind, {}).get("metrics", {})
    return found


def _by(judged: Mapping[str, Any]) -> str:
    """What a judged score cannot be compared without."""
    judge = judged["judge"]
    names = ", ".join(name or judge["asked"]["model"] for name in judge["models"])
    return f"{names}, prompt {judge['prompt']['sha256']}"


def _confidence(task: Task, rows: Sequence[dict[str, Any]], sampling: Sampling) -> dict[str, Any] | None:
    """How well the model knows which of its answers the judge takes for right; None where it told no
    probabilities."""
    own = {key: row for key, row in own_rows(rows, task.name, blind=False).items() if row["counts"]}
    scored = [Scored(item, own[item.id]["counts"]) for item in task.load() if item.id in own]
    answers = {
        key: Answer(row["prediction"], row["stopped"], row.get("logprobs"), row.get("sure"))
        for key, row in own.items()
    }
    return confidence(task, scored, answers, sampling)


def _marked(
    task: Task, path: Path, rows: list[dict[str, Any]], how: Judging, folder: Path, *, blind: bool
) -> dict[str, Any]:
    """The judged score of a task; its rows get counts and verdicts."""
    own = own_rows(rows, task.name, blind=blind)
    case = Case(task, task.load(), {name: row["prediction"] for name, row in own.items()})
    if blind and not own:
        return {"metrics": None, "by": {}}
    described = {"predictions": str(path), "missing": "skip", "blind": blind, **described_files(task)}
    result = judge(case, how, folder, described)
    for verdict in read_rows(folder / VERDICTS):
        told: dict[str, Any] = {
            name: verdict[name] for name in ("counts", "joint", "verdict") if name in verdict
        }
        own[verdict["id"]].update(told, right=task.right(verdict["counts"]))
    return result
