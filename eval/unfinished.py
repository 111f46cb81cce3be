"""Runs that have not come to their end: what a run is to ask stands in its folder from the start.

``run.json`` is written before the first answer, ``metrics.json`` behind the last, so that what a run was
stopped over can be told from a benchmark that is answered.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from eval.json_files import write_json
from eval.tasks import Item
from mmtune.errors import UserError
from mmtune.wording import counted

NAME = "run.json"
PREDICTIONS = "predictions.jsonl"
GO_ON = ", or go on without it by --missing skip or --missing wrong"
"""What can be done besides, where answers may be missing."""


def begin(out: Path, chosen: Mapping[str, Sequence[Item]]) -> None:
    """Write down how many items of each task a run is to answer.

    Args:
        out: the run's folder.
        chosen: name of a task → its items, fewer than all where a limit is set.
    """
    write_json(out / NAME, {"items": {name: len(items) for name, items in chosen.items()}})


def refuse_unfinished(path: Path, task: str | None = None, fix: str = "") -> None:
    """Refuse the answers of a run that was stopped.

    Args:
        path: the run's folder, or its ``predictions.jsonl``; any other file is no run's.
        task: its name in the run; without one, or where the run has none of this name, all tasks count.
        fix: what can be done besides going on with the run.

    Raises:
        UserError: if answers are to come, naming how many there are.
    """
    folder = path if path.is_dir() else path.parent
    if path != folder and path.name != PREDICTIONS:
        return
    if (folder / "metrics.json").exists():
        return
    items = _asked(folder / NAME)
    names = [task] if task is not None and task in items else list(items)
    answered, of = _answered(folder / PREDICTIONS, names), sum(items[name] for name in names)
    if answered < of:
        raise UserError(
            f"This run was stopped, or is still at work, after {answered} of {counted(of, 'answer')}",
            str(folder),
            f"resume it with the same mmtune eval and --out {folder}, which asks only the rest{fix}",
        )


def _asked(path: Path) -> dict[str, int]:
    """Task → its items; none where the file is not there or another program's, which may have the name."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    items = value.get("items") if isinstance(value, dict) else None
    if not isinstance(items, dict) or not all(type(number) is int for number in items.values()):
        return {}
    return items


def _answered(path: Path, tasks: Sequence[str]) -> int:
    """Rows about the items' own images; half a line, of a process that was killed in it, is none."""
    found = 0
    for line in path.read_bytes().split(b"\n") if path.exists() else ():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            found += row.get("task") in tasks and not row.get("blind")
    return found
