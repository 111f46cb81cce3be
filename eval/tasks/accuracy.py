"""What most benchmarks are: each answer is right, wrong or in between, and the score is the mean."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from eval.json_files import write_json, write_rows
from eval.metrics.intervals import Array, Totals, ratio
from eval.tasks.base import Counts, Item, Task
from eval.tasks.official_files import answers_path

Answers = Mapping[str, str]


class AccuracyTask(Task):
    """A benchmark whose score is the mean of what each answer gets.

    ``unparsed`` is the share of replies that could not be read; they count as wrong.
    """

    primary = "accuracy"
    lower_is_better = frozenset({"unparsed"})
    default_prompt = "short"
    answers_as_rows: ClassVar[bool] = True
    """Whether the answer file is JSON Lines rather than a JSON list."""

    @abstractmethod
    def value(self, answer: str, item: Item) -> float | None:
        """What an answer gets, 0..1; None where it cannot be read."""

    def counts_beside(self, answer: str, item: Item, value: float) -> Counts:
        """Further counts of an answer, for the benchmarks that report more than a mean."""
        del answer, item, value
        return {}

    def score(self, prediction: str, item: Item) -> Counts:
        return self.score_submitted(self.submitted(prediction), item)

    def score_submitted(self, answer: str, item: Item) -> Counts:
        value = self.value(answer, item)
        return self._counts(value, answer, item)

    def unanswered(self, item: Item) -> Counts:
        """Wrong, even where an empty answer would be right."""
        return self._counts(None, "", item)

    def aggregate(self, totals: Totals) -> dict[str, Array]:
        return {
            self.primary: ratio(totals["right"], totals["items"]),
            **self.metrics_beside(totals),
            "unparsed": ratio(totals["unparsed"], totals["items"]),
        }

    def metrics_beside(self, totals: Totals) -> dict[str, Array]:
        """Further metrics from the counts of ``counts_beside`` and ``joint``."""
        del totals
        return {}

    def right(self, counts: Counts) -> bool:
        return counts["right"] >= 0.5

    def truth_text(self, item: Item) -> str:
        return "?" if item.truth is None else str(item.truth)

    def answer_row(self, item: Item, answer: str) -> dict[str, Any]:
        """A row of the answer file."""
        return {self.answer_ids[0]: item.official_id, self.answer_texts[0]: answer}

    def write_answers(self, folder: Path, items: Sequence[Item], predictions: Answers) -> Path:
        """Rows of ``answer_row`` in the order of the benchmark."""
        given = [item for item in items if item.id in predictions]
        complete = len(given) == len(items)
        rows = [self.answer_row(item, self.submitted(predictions[item.id])) for item in given]
        path = answers_path(folder, self.name, ".jsonl" if self.answers_as_rows else ".json", complete)
        (write_rows if self.answers_as_rows else write_json)(path, rows)
        return path

    def _counts(self, value: float | None, answer: str, item: Item) -> Counts:
        gets = float(value or 0.0)
        counts = {"right": gets, "items": 1.0, "unparsed": float(value is None)}
        return counts | self.counts_beside(answer, item, gets)
