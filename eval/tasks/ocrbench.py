"""OCRBench: a thousand questions about text in images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval.answer_files import add_answer
from eval.json_files import read_rows
from eval.metrics.intervals import Array, Totals
from eval.metrics.ocrbench import ocrbench_hit
from eval.row_files import read_rows_of_any
from eval.tasks.accuracy import AccuracyTask
from eval.tasks.base import Item
from eval.tasks.official_files import fields
from eval.tasks.published import SEE_PAGE, Published, github


class OCRBench(AccuracyTask):
    """``OCRBench.json``: rows of {dataset_name, type, question, answers, image_path}.

    The answer file is the same with ``predict`` in each row. ``score`` is the number of hits, of 1,000 in the
    whole benchmark; the rows have no ids, so answers go by image and question, or by an ``id`` that counts
    the rows from 0.

    Source: OCRBench/example.py of Yuliang-Liu/MultimodalOCR.
    """

    title = "OCRBench: text in images, a thousand questions"
    published = Published(
        SEE_PAGE,
        "1,000",
        "1,000 (from the repository's page)",
        SEE_PAGE,
        "https://github.com/Yuliang-Liu/MultimodalOCR",
        (github("Yuliang-Liu/MultimodalOCR", "OCRBench/json_files/OCRBench.json"),),
        "annotations={folder}/OCRBench.json,images=FOLDER",
    )
    default_prompt = "bare"
    default_max_new_tokens = 100
    not_shares = frozenset({"score"})
    answers_as_rows = False
    answer_texts = ("predict", "prediction", "answer", "text", "response")

    def load(self) -> list[Item]:
        path = self.annotations
        items = []
        for number, row in enumerate(read_rows(path)):
            image, question, _, kind, dataset = fields(
                row, ("image_path", "question", "answers", "type", "dataset_name"), path, number + 1
            )
            identity = str(row.get("id", number))
            items.append(Item(identity, image, question, row, {"type": kind, "dataset": dataset}, identity))
        return items

    def read_answers(self, path: Path, items: Sequence[Item]) -> dict[str, str]:
        """By image and question, or by id; a row without ``predict`` was not asked, as the script has it."""
        rows = read_rows_of_any(path)
        if not rows or "image_path" not in rows[0]:
            return super().read_answers(path, items)
        known: dict[tuple[str, str], list[str]] = {}
        for item in items:
            known.setdefault((item.image, item.question), []).append(item.id)
        answers: dict[str, str] = {}
        for number, row in enumerate(rows, start=1):
            image, question = fields(row, ("image_path", "question"), path, number)
            if "predict" in row:
                places = known.get((str(image), str(question)))
                add_answer(answers, places.pop(0) if places else f"{image}: {question}", row["predict"], path)
        return answers

    def value(self, answer: str, item: Item) -> float | None:
        return float(ocrbench_hit(answer, item.truth["answers"], item.truth["dataset_name"]))

    def metrics_beside(self, totals: Totals) -> dict[str, Array]:
        return {"score": totals["right"]}

    def truth_text(self, item: Item) -> str:
        answers = item.truth["answers"]
        return answers if isinstance(answers, str) else " or ".join(answers)

    def answer_row(self, item: Item, answer: str) -> dict[str, Any]:
        return {**item.truth, "predict": answer}
