"""CV-Bench: classic vision tasks in two and three dimensions, as questions with options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from eval.metrics.choice import parse_letter
from eval.metrics.intervals import Array, Totals, ratio
from eval.tasks.base import Counts, Item
from eval.tasks.choices import Choice, ChoiceTask, asked, kinds_of, letter_of, lettered, truth_choice
from eval.tasks.embedded import TableOfImages
from eval.tasks.official_files import check_unique, fields
from eval.tasks.published import SEE_PAGE, Published
from eval.tasks.tables import read_benchmark_rows

_FLAT = ("ADE20K", "COCO")
_DEEP = ("Omni3D",)


class CVBench(ChoiceTask, TableOfImages):
    """``test.jsonl`` or parquet: idx, type (2D, 3D), task, source, question, choices, answer as ``(A)``.

    ``accuracy_2d`` is the mean of those on ADE20K and COCO, ``cv_bench`` the mean of ``accuracy_2d`` and
    ``accuracy_3d``, as the benchmark reports; ``accuracy`` is that over all questions.

    Source: Tong et al., Cambrian-1.
    """

    title = "CV-Bench: counting, relations, depth and distance"
    published = Published(
        "Apache 2.0",
        "2,638",
        "in the table",
        SEE_PAGE,
        "https://huggingface.co/datasets/nyu-visionx/CV-Bench",
    )
    primary = "accuracy"
    answer_ids = ("idx", "question_id", "id", "index")

    def load(self) -> list[Item]:
        path = self.annotations
        items = []
        for number, row in enumerate(read_benchmark_rows(path), start=1):
            idx, question, choices, answer = fields(
                row, ("idx", "question", "choices", "answer"), path, number
            )
            options = lettered(choices)
            truth = Choice(letter_of(answer, options, path, number), options)
            kinds = kinds_of(row, {"type": "type", "task": "task", "source": "source"})
            image = self.image_name(row, number - 1, "image")
            items.append(Item(str(idx), image, asked(question, options), truth, kinds, idx))
        check_unique(items, path)
        return items

    def image_name(self, row: Mapping[str, Any], number: int, column: str) -> str:
        return str(row.get("filename") or f"{row['idx']}.png")

    def value(self, answer: str, item: Item) -> float | None:
        truth = truth_choice(item)
        letter = parse_letter(answer, "".join(truth.options))
        return None if letter is None else float(letter == truth.letter)

    def counts_beside(self, answer: str, item: Item, value: float) -> Counts:
        counts: Counts = {}
        for source in (*_FLAT, *_DEEP):
            of_it = float(item.kinds.get("source") == source)
            counts |= {f"{source}_right": value * of_it, f"{source}_items": of_it}
        return counts

    def behind(self, metric: str) -> Sequence[str]:
        named = {"accuracy_2d": _FLAT, "accuracy_3d": _DEEP}
        return [f"{source}_items" for source in named.get(metric, ())]

    def metrics_beside(self, totals: Totals) -> dict[str, Array]:
        flat, deep = (
            np.mean(
                [ratio(totals[f"{source}_right"], totals[f"{source}_items"]) for source in sources], axis=0
            )
            for sources in (_FLAT, _DEEP)
        )
        return {"cv_bench": (flat + deep) / 2, "accuracy_2d": flat, "accuracy_3d": deep}
