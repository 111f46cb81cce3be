"""MMStar: questions that cannot be answered without the image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eval.metrics.choice import mmstar_right, parse_mmstar
from eval.tasks.base import Item
from eval.tasks.choices import Choice, ChoiceTask, kinds_of, letter_of, truth_choice
from eval.tasks.embedded import TableOfImages
from eval.tasks.official_files import check_unique, fields
from eval.tasks.published import SEE_PAGE, Published, hub
from eval.tasks.tables import read_benchmark_rows

_KINDS = {
    "category": "category",
    "l2_category": "l2_category",
    "l2-category": "l2_category",
    "bench": "bench",
}


class MMStar(ChoiceTask, TableOfImages):
    """``MMStar`` as parquet or TSV: index, question with its options, answer, category, l2_category.

    ``accuracy`` divides by the questions that are scored; the official script by 1,500 and 250, which is the
    same on the whole benchmark. Gain and leakage compare the score with that of a run without images
    (``eval.metrics.mmstar``): the blind baseline stands beside it in ``mmtune eval``.

    Source: eval/vlmeval/evaluate/mmstar.py of MMStar-Benchmark/MMStar.
    """

    title = "MMStar: options, no answer without the image"
    published = Published(
        SEE_PAGE,
        "1,500",
        "1,500, in the table",
        SEE_PAGE,
        "https://huggingface.co/datasets/Lin-Chen/MMStar",
        (hub("Lin-Chen/MMStar", "mmstar.parquet"),),
        "annotations={folder}/mmstar.parquet",
    )
    answer_ids = ("index", "question_id", "id")
    answer_texts = ("prediction", "answer", "text")

    def load(self) -> list[Item]:
        path = self.annotations
        items = []
        for number, row in enumerate(read_benchmark_rows(path), start=1):
            index, question, answer = fields(row, ("index", "question", "answer"), path, number)
            truth = Choice(letter_of(answer, {}, path, number), {})
            kinds = kinds_of(row, _KINDS)
            image = self.image_name(row, number - 1, "image")
            items.append(Item(str(index), image, str(question), truth, kinds, index))
        check_unique(items, path)
        return items

    def image_name(self, row: Mapping[str, Any], number: int, column: str) -> str:
        return f"{row['index']}.jpg"

    def value(self, answer: str, item: Item) -> float | None:
        if mmstar_right(answer, truth_choice(item).letter):
            return 1.0
        return 0.0 if parse_mmstar(answer) else None

    def answer_row(self, item: Item, answer: str) -> dict[str, Any]:
        return {"index": item.official_id, "prediction": answer}
