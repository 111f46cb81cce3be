"""A-OKVQA: questions that need knowledge, by options or in free words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eval.metrics.choice import parse_letter
from eval.tasks.accuracy import AccuracyTask
from eval.tasks.base import Item
from eval.tasks.choices import Choice, ChoiceTask, asked, lettered, truth_choice
from eval.tasks.official_files import fields, read_rows
from eval.tasks.published import COCO_VAL2017, SEE_PAGE, Published, Remote
from eval.tasks.truths import most_given


class AOkVqa(ChoiceTask):
    """``aokvqa_v1p0_val.json`` by options; a reply may name the letter or spell the option out.

    Source: allenai/aokvqa, evaluation/eval_predictions.py (the option's text, letter by letter).
    """

    title = "A-OKVQA by options: questions that need knowledge"
    published = Published(
        SEE_PAGE,
        "1,145 (val)",
        "of COCO val2017",
        "0.8 GB",
        "https://github.com/allenai/aokvqa",
        (Remote("https://prior-datasets.s3.us-east-2.amazonaws.com/aokvqa/aokvqa_v1p0.tar.gz"), COCO_VAL2017),
        "annotations={folder}/aokvqa_v1p0_val.json,images={folder}",
    )
    answer_texts = ("multiple_choice", "answer", "prediction", "text")

    def load(self) -> list[Item]:
        items = []
        for row, image, number in _rows(self.annotations):
            (options,) = fields(row, ("choices",), self.annotations, number)
            choices = lettered(options)
            right = row.get("correct_choice_idx")
            truth = None if right is None else Choice(list(choices)[int(right)], choices)
            qid = str(row["question_id"])
            items.append(Item(qid, image, asked(row["question"], choices), truth, {}, qid))
        return items

    def value(self, answer: str, item: Item) -> float | None:
        truth = truth_choice(item)
        letter = next((letter for letter, text in truth.options.items() if text == answer.strip()), None)
        letter = letter or parse_letter(answer, "".join(truth.options))
        return None if letter is None else float(letter == truth.letter)

    def answer_row(self, item: Item, answer: str) -> dict[str, Any]:
        return {"question_id": item.official_id, "multiple_choice": answer}


class AOkVqaDirect(AccuracyTask):
    """``aokvqa_v1p0_val.json`` in free words: an answer that three of the ten gave is right.

    Source: as ``AOkVqa``; answers are compared letter by letter, in lower case.
    """

    title = "A-OKVQA in free words: questions that need knowledge"
    published = AOkVqa.published
    answer_texts = ("direct_answer", "answer", "prediction", "text")

    def load(self) -> list[Item]:
        return [
            Item(
                str(row["question_id"]),
                image,
                row["question"],
                row.get("direct_answers"),
                {},
                row["question_id"],
            )
            for row, image, _ in _rows(self.annotations)
        ]

    def submitted(self, prediction: str) -> str:
        return prediction.strip().rstrip(".").lower()

    def value(self, answer: str, item: Item) -> float | None:
        return min(1.0, sum(answer == given for given in item.truth) / 3)

    def truth_text(self, item: Item) -> str:
        return most_given(item.truth)

    def answer_row(self, item: Item, answer: str) -> dict[str, Any]:
        return {"question_id": item.official_id, "direct_answer": answer}


def _rows(path: Path) -> list[tuple[Mapping[str, Any], str, int]]:
    """Rows with the file of their image, and their number."""
    found: list[tuple[Mapping[str, Any], str, int]] = []
    for number, row in enumerate(read_rows(path), start=1):
        image_id, _, _ = fields(row, ("image_id", "question_id", "question"), path, number)
        split = f"{row.get('split', 'val')}2017"
        found.append((row, f"{split}/{int(image_id):012d}.jpg", number))
    return found
