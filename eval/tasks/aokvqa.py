"""A-OKVQA: questions that need knowledge, by options or in free words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.json_files import read_rows, write_json
from eval.metrics.choice import parse_letter
from eval.tasks.accuracy import AccuracyTask
from eval.tasks.base import Item
from eval.tasks.choices import Choice, ChoiceTask, asked, lettered, truth_choice
from eval.tasks.official_files import answers_path, fields
from eval.tasks.published import COCO_VAL2017, SEE_PAGE, Published, Remote
from eval.tasks.truths import most_given

_OPTION = re.compile(r"^([A-Z])\. (.*)$", re.MULTILINE)


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
        letter = _letter(answer, truth.options)
        return None if letter is None else float(letter == truth.letter)

    def write_answers(self, folder: Path, items: Sequence[Item], predictions: Mapping[str, str]) -> Path:
        """The script compares options, not letters; a reply that names none stays as it is."""
        told = {}
        for item in items:
            if item.id in predictions:
                # Of the question as it was asked: the truth of test questions is the server's.
                options = dict(_OPTION.findall(item.question))
                letter = _letter(predictions[item.id], options)
                told[item.id] = predictions[item.id] if letter is None else options[letter]
        return _write(self, folder, items, told, "multiple_choice")


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

    def write_answers(self, folder: Path, items: Sequence[Item], predictions: Mapping[str, str]) -> Path:
        told = {key: self.submitted(answer) for key, answer in predictions.items()}
        return _write(self, folder, items, told, "direct_answer")


def _letter(answer: str, options: Mapping[str, str]) -> str | None:
    """The option that a reply spells out, or names by its letter."""
    spelt = next((letter for letter, text in options.items() if text == answer.strip()), None)
    return spelt or parse_letter(answer, "".join(options))


def _write(
    task: AccuracyTask, folder: Path, items: Sequence[Item], told: Mapping[str, str], field: str
) -> Path:
    """``{question_id: {field: answer}}``, as the script takes it."""
    given = {str(item.official_id): {field: told[item.id]} for item in items if item.id in told}
    path = answers_path(folder, task.name, ".json", complete=len(given) == len(items))
    write_json(path, given)
    return path


def _rows(path: Path) -> list[tuple[Mapping[str, Any], str, int]]:
    """Rows with the file of their image, and their number."""
    found: list[tuple[Mapping[str, Any], str, int]] = []
    for number, row in enumerate(read_rows(path), start=1):
        image_id, _, _ = fields(row, ("image_id", "question_id", "question"), path, number)
        split = f"{row.get('split', 'val')}2017"
        found.append((row, f"{split}/{int(image_id):012d}.jpg", number))
    return found
