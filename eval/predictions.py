"""The answers of a run: written a row at a time as they come, and kept as counts for the scores.

When all are there, the file is written once more in the order of the items, so that it depends neither on
the order in which answers came nor on how often the run was killed on the way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from eval.asking import Waiting
from eval.backends.base import Answer
from eval.json_files import write_whole
from eval.scoring import Scored, joint_counts, score_answer, with_joint
from eval.tasks import Item, Task
from eval.tasks.base import Counts

_SURE_PLACES = 4
"""Of a log-probability in a row: what other places follow from batch size and order."""


class Predictions:
    """Scores each answer and writes it to a JSON Lines file at once, so that a run that dies leaves its
    answers.

    Args:
        path: the file; it is written anew.
        tasks: name → task, for the scores.
        items: of each task, in the order of the benchmark.
    """

    def __init__(self, path: Path, tasks: Mapping[str, Task], items: Mapping[str, Sequence[Item]]) -> None:
        self._path = path
        self._order = {
            (name, item.id): (place, number)
            for place, name in enumerate(tasks)
            for number, item in enumerate(items[name])
        }
        self._rows: list[tuple[tuple[int, int, bool], str]] = []
        self._joint: dict[str, Mapping[str, Counts]] = {}
        self._tasks = tasks
        self._seen: dict[str, list[Scored]] = {name: [] for name in tasks}
        self._unseen: dict[str, list[Scored]] = {name: [] for name in tasks}
        self._texts: dict[str, dict[str, str]] = {name: {} for name in tasks}
        self._answers: dict[tuple[str, bool], dict[str, Answer]] = {}
        self._failed: dict[tuple[str, bool], dict[str, str]] = {}
        self._file: IO[str] | None = None
        self.altered: Predictions | None = None
        """Takes the answers that were given under conditions of robustness checks, to a file of their own."""

    def __enter__(self) -> Predictions:
        self._file = _opened(self._path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
        if error is None:
            self._sort()

    def _sort(self) -> None:
        """Write all rows again, in the order of the items, and put the scored ones in that order too.

        Counts that depend on several answers are known only now; they go into the rows as ``joint``, so that
        two runs can be compared without the benchmark's files.
        """
        self._rows.sort(key=lambda row: row[0])
        for scored in (self._seen, self._unseen):
            for name, found in scored.items():
                found.sort(key=lambda one, name=name: self._order[name, one.item.id])  # type: ignore[misc]
        for name, texts in self._texts.items():
            self._texts[name] = dict(sorted(texts.items(), key=lambda pair: self._order[name, pair[0]]))
            self._join(name)
        names = list(self._tasks)
        lines = (
            line if blind else self._joined(names[place], line) for (place, _, blind), line in self._rows
        )
        write_whole(self._path, lines)

    def _join(self, name: str) -> None:
        task, seen = self._tasks[name], self._seen[name]
        answers = {item_id: task.submitted(text) for item_id, text in self._texts[name].items()}
        self._joint[name] = joint_counts(task, seen, answers)
        self._seen[name] = with_joint(seen, self._joint[name])
        unseen = self._unseen[name]
        blind = {key: task.submitted(answer.text) for key, answer in self.answers(name, blind=True).items()}
        self._unseen[name] = with_joint(unseen, joint_counts(task, unseen, blind))

    def _joined(self, name: str, line: str) -> str:
        """A row with the joint counts of its item, where there are some."""
        joint = self._joint[name]
        if not joint:
            return line
        row = json.loads(line)
        found = joint.get(row["id"])
        return _line({**row, "joint": found}) if found and "counts" in row else line

    def add(self, waiting: Waiting, answer: Answer) -> None:
        """Score an answer for one of those who waited for it, and write its row."""
        if self.altered is not None and waiting.note:
            self.altered.add(waiting, answer)
            return
        text = answer.text
        task = self._tasks[waiting.task]
        counts = score_answer(task, text, waiting.item)
        (self._unseen if waiting.blind else self._seen)[waiting.task].append(Scored(waiting.item, counts))
        self._answers.setdefault((waiting.task, waiting.blind), {})[waiting.item.id] = answer
        if not waiting.blind:
            self._texts[waiting.task][waiting.item.id] = text
        chosen: dict[str, Any] = {} if answer.logprobs is None else {"logprobs": list(answer.logprobs)}
        if task.needs_judge and answer.sure is not None:  # so that calibration can be told once it is judged
            chosen["sure"] = round(answer.sure, _SURE_PLACES)
        submitted = task.submitted(text)
        self._write(
            waiting,
            {
                "prediction": text,
                **({} if submitted == text else {"submitted": submitted}),
                "stopped": answer.stopped,
                **chosen,
                "truth": task.truth_text(waiting.item),
                "right": task.right(counts) if counts else None,
                "counts": counts,
                "kinds": dict(waiting.item.kinds),
            },
        )

    def fail(self, waiting: Waiting, reason: str) -> None:
        """Write that there is no answer, and why."""
        if self.altered is not None and waiting.note:
            self.altered.fail(waiting, reason)
            return
        self._failed.setdefault((waiting.task, waiting.blind), {})[waiting.item.id] = reason
        self._write(waiting, {"error": reason})

    def seen(self, task: str) -> list[Scored]:
        """Scored answers about the items' own images; once all are there, with the counts that depend on
        several answers."""
        return self._seen[task]

    def unseen(self, task: str) -> list[Scored]:
        """As ``seen``, of the blind baseline."""
        return self._unseen[task]

    def texts(self, task: str) -> Mapping[str, str]:
        """Answers as they were generated, by item id."""
        return self._texts[task]

    def answers(self, task: str, blind: bool = False) -> Mapping[str, Answer]:
        """Answers about the items' own images, or those of the blind baseline, by item id."""
        return self._answers.get((task, blind), {})

    def failed(self, task: str, blind: bool = False) -> Mapping[str, str]:
        """Reasons by item id; as ``answers``."""
        return self._failed.get((task, blind), {})

    def _write(self, waiting: Waiting, outcome: Mapping[str, Any]) -> None:
        if self._file is None:
            raise RuntimeError("predictions are written inside a with block")
        row = {
            "task": self._tasks[waiting.task].name,
            "id": waiting.item.id,
            "blind": waiting.blind,
            "image": next(iter(waiting.shown), ""),
            "question": waiting.item.question,
            **_beside(waiting),
            **waiting.note,
            **outcome,
        }
        line = _line(row)
        self._rows.append(((*self._order[waiting.task, waiting.item.id], waiting.blind), line))
        self._file.write(line)
        self._file.flush()


def _beside(waiting: Waiting) -> dict[str, Any]:
    """What only questions with several images or earlier turns have in their rows."""
    several = {"images": list(waiting.shown)} if len(waiting.shown) > 1 else {}
    return several | ({"history": waiting.item.history} if waiting.item.history else {})


def _opened(path: Path) -> IO[str]:
    """A file for rows. Half a pair of UTF-16, which a reply may hold and UTF-8 cannot write, is written as
    its escape, which JSON reads back as it was."""
    return path.open("w", encoding="utf-8", errors="backslashreplace")


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"
