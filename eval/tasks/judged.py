"""Benchmarks that a judge marks: their score comes from the judge's replies, not from the answers.

Judges are asked in ``eval.judges``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from eval.answer_files import add_answer, read_answers
from eval.row_files import read_rows_of_any
from eval.tasks.accuracy import AccuracyTask
from eval.tasks.base import Item
from eval.tasks.official_files import fields


class JudgedTask(AccuracyTask):
    """A benchmark whose file for ``mmtune score`` is that of the judgements that its own script sums up.

    ``score`` takes the text of a judgement; the answers themselves are asked and written as everywhere.
    """

    needs_judge = True
    default_prompt = "bare"
    default_max_new_tokens = 1024
    answer_texts = ("text", "answer", "response", "prediction")
    judgements: ClassVar[tuple[str, ...]] = ("judgement", "content", "review")
    """Names under which the judge's reply stands."""

    def read_model_answers(self, path: Path, items: Sequence[Item]) -> dict[str, str]:
        """The model's answers by item id, as a judge is to mark them: from the file that the benchmark's own
        script gives its judge, or a run's own predictions.

        Raises:
            UserError: as ``Task.read_answers``.
        """
        del items
        return read_answers(path, self.answer_ids, self.answer_texts, self.name)

    def read_answers(self, path: Path, items: Sequence[Item]) -> dict[str, str]:
        """Judgements by id, as texts."""
        rows = read_rows_of_any(path)
        answers: dict[str, str] = {}
        for number, row in enumerate(rows, start=1):
            add_answer(
                answers, self.judged_id(row, number, path, items), self.judgement(row, number, path), path
            )
        return answers

    def judged_id(self, row: dict[str, Any], number: int, path: Path, items: Sequence[Item]) -> str:
        """The item that a row judges."""
        name = next((name for name in self.answer_ids if name in row), self.answer_ids[0])
        return str(fields(row, (name,), path, number)[0])

    def judgement(self, row: dict[str, Any], number: int, path: Path) -> str:
        """The text of a row's judgement."""
        name = next((name for name in self.judgements if name in row), self.judgements[0])
        value = fields(row, (name,), path, number)[0]
        return value if isinstance(value, str) else str(value)
