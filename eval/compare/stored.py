"""A finished run of ``mmtune eval``, read back from its folder and checked."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from eval.json_files import read_text
from eval.unfinished import refuse_unfinished
from mmtune.errors import UserError
from mmtune.wording import counted

_NEEDED = ("benchmark", "title", "primary", "lower_is_better", "n", "of", "metrics", "blind", "by")
_METRIC = {"value", "low", "high", "n"}
_ROW = {"task": str, "id": str, "blind": bool, "image": str, "question": str}


@dataclass(frozen=True)
class Answer:
    """A row of ``predictions.jsonl`` about an item's own image."""

    image: str
    question: str
    truth: str
    text: str
    """The reply as it was generated; why there is none where the item failed."""
    submitted: str
    """The reply as answer files hold it."""
    right: bool
    counts: Mapping[str, float] | None
    """Counts of this answer; None where the item failed."""
    joint: Mapping[str, float]
    """Counts that depend on other answers, too."""
    kinds: Mapping[str, str]
    history: Any = None
    """Earlier turns, where the question has some."""

    @property
    def cluster(self) -> str | None:
        """What it is drawn with: its image; None where it stands for itself."""
        return self.image or None


@dataclass(frozen=True)
class StoredRun:
    """The results of a run, and its answers by task and id."""

    folder: Path
    results: Mapping[str, Any]
    answers: Mapping[str, Mapping[str, Answer]]

    def answered(self, task: str) -> dict[str, Answer]:
        """The items of a task that did not fail; of one that was judged, those with a verdict."""
        judged = "judge" in self.results["tasks"][task]
        return {
            key: row
            for key, row in self.answers.get(task, {}).items()
            if row.counts is not None and (row.counts or not judged)
        }


def read_results(run: str | Path) -> dict[str, Any]:
    """The content of a run's ``metrics.json``.

    Args:
        run: the run's folder, or the file.

    Raises:
        UserError: if there is none, or it is not what ``mmtune eval`` writes.
    """
    folder = Path(run)
    if not folder.exists():
        raise UserError("There is no such run", str(folder), "give the --out folder of an mmtune eval")
    path = folder / "metrics.json" if folder.is_dir() else folder
    if not path.exists():
        refuse_unfinished(folder)
        raise UserError(
            "The folder has no metrics.json",
            str(folder),
            "it is written when mmtune eval is through: run it again",
        )
    results = _parse(read_text(path), str(path))
    tasks = results.get("tasks") if isinstance(results, dict) else None
    if not isinstance(tasks, dict) or not tasks:
        raise UserError("These are no results of mmtune eval", str(path), "give the folder of a run")
    for name, task in tasks.items():
        lacking = [key for key in _NEEDED if not isinstance(task, dict) or key not in task]
        if lacking:
            raise UserError(f"Task {name} has no {lacking[0]!r}", str(path), "give the folder of a run")
        for metric, found in task["metrics"].items():
            if not isinstance(found, dict) or not set(found) >= _METRIC:
                raise UserError(
                    f"{metric} of {name} is not as mmtune eval writes it",
                    str(path),
                    "give the folder of a run",
                )
    return dict(results)


def read_run(run: str | Path) -> StoredRun:
    """A run's results and answers.

    Raises:
        UserError: as ``read_results``; if the answers are malformed, hold an id twice or a count that is no
            number, or are not those that the results were made from.
    """
    folder = Path(run)
    if folder.is_file():
        folder = folder.parent
    results = read_results(folder)
    path = folder / "predictions.jsonl"
    if not path.exists():
        raise UserError(
            "The folder has no predictions.jsonl", str(folder), "give the whole folder of the run"
        )
    answers: dict[str, dict[str, Answer]] = {}
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        row = _row(_parse(line, where), where)
        if row["blind"]:
            continue
        of_task = answers.setdefault(row["task"], {})
        if row["id"] in of_task:
            raise UserError(f"Item {row['id']} of {row['task']} stands there twice", where, "keep one")
        of_task[row["id"]] = _answer(row, where)
    stored = StoredRun(folder, results, answers)
    for name, task in results["tasks"].items():
        found = len(stored.answered(name))
        if found != task["n"]:
            raise UserError(
                f"predictions.jsonl has {counted(found, 'answer')} of {name}, metrics.json is"
                f" made from {task['n']}",
                str(folder),
                "run mmtune eval again in this folder; what is known is not asked again",
            )
    return stored


def _row(row: Any, where: str) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise UserError("The row is no JSON object", where, "give the folder of a run")
    for name, kind in _ROW.items():
        if not isinstance(row.get(name), kind):
            raise UserError(f"The row has no {name!r} as mmtune eval writes it", where, "run it again")
    if "error" not in row and not isinstance(row.get("counts"), dict):
        raise UserError("The row has neither counts nor an error", where, "run mmtune eval again")
    return row


def _answer(row: Mapping[str, Any], where: str) -> Answer:
    counts, joint = row.get("counts"), row.get("joint") or {}
    if "error" in row:
        counts = None
    for value in [*(counts or {}).values(), *joint.values()]:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise UserError(f"A count of item {row['id']} is {value!r}, no number", where, "run it again")
    text = str(row.get("error") if counts is None else row.get("prediction", ""))
    return Answer(
        row["image"],
        row["question"],
        str(row.get("truth", "")),
        text,
        str(row.get("submitted", text)),
        bool(row.get("right", False)),
        counts,
        joint,
        {str(name): str(kind) for name, kind in (row.get("kinds") or {}).items()},
        row.get("history"),
    )


def _parse(text: str, where: str) -> Any:
    def refuse(constant: str) -> NoReturn:
        raise UserError(f"There is a {constant} among the numbers", where, "run mmtune eval again")

    try:
        return json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise UserError(
            f"Malformed JSON: {error.msg}", f"{where}, column {error.colno}", "run mmtune eval again"
        ) from error
    except RecursionError as error:
        raise UserError("The JSON is nested too deeply", where, "give the folder of a run") from error
