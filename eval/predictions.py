"""The answers of a run: written a row at a time as they come, and kept as counts for the scores."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from eval.asking import Waiting
from eval.scoring import Scored
from eval.tasks import Task


class Predictions:
    """Scores each answer and writes it to a JSON Lines file at once, so that a run that dies leaves its
    answers.

    Args:
        path: the file; it is written anew.
        tasks: name → task, for the scores.
    """

    def __init__(self, path: Path, tasks: Mapping[str, Task]) -> None:
        self._path = path
        self._tasks = tasks
        self._seen: dict[str, list[Scored]] = {name: [] for name in tasks}
        self._unseen: dict[str, list[Scored]] = {name: [] for name in tasks}
        self._texts: dict[str, dict[str, str]] = {name: {} for name in tasks}
        self._failed: dict[str, dict[str, str]] = {name: {} for name in tasks}
        self._file: IO[str] | None = None

    def __enter__(self) -> Predictions:
        self._file = self._path.open("w", encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, waiting: Waiting, text: str, stopped: str) -> None:
        """Score an answer for one of those who waited for it, and write its row."""
        task = self._tasks[waiting.task]
        counts = task.score(text, waiting.item)
        (self._unseen if waiting.blind else self._seen)[waiting.task].append(Scored(waiting.item, counts))
        if not waiting.blind:
            self._texts[waiting.task][waiting.item.id] = text
        self._write(
            waiting,
            {
                "prediction": text,
                "stopped": stopped,
                "truth": task.truth_text(waiting.item),
                "right": task.right(counts),
                "counts": counts,
                "kinds": dict(waiting.item.kinds),
            },
        )

    def fail(self, waiting: Waiting, reason: str) -> None:
        """Write that there is no answer, and why."""
        if not waiting.blind:
            self._failed[waiting.task][waiting.item.id] = reason
        self._write(waiting, {"error": reason})

    def seen(self, task: str) -> list[Scored]:
        """Scored answers about the items' own images."""
        return self._seen[task]

    def unseen(self, task: str) -> list[Scored]:
        """Scored answers of the blind baseline."""
        return self._unseen[task]

    def texts(self, task: str) -> Mapping[str, str]:
        """Answers as they were generated, by item id."""
        return self._texts[task]

    def failed(self, task: str) -> Mapping[str, str]:
        """Reasons by item id."""
        return self._failed[task]

    def _write(self, waiting: Waiting, outcome: Mapping[str, Any]) -> None:
        if self._file is None:
            raise RuntimeError("predictions are written inside a with block")
        row = {
            "task": waiting.task,
            "id": waiting.item.id,
            "blind": waiting.blind,
            "image": waiting.shown,
            "question": waiting.item.question,
            **outcome,
        }
        self._file.write(json.dumps(row, ensure_ascii=False) + "\n")
        self._file.flush()
