"""POPE: is there a such-and-such in the image?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from eval.answer_files import add_answer
from eval.json_files import read_rows, write_rows
from eval.metrics.intervals import Array, Totals, ratio
from eval.metrics.yes_no import parse_pope, read_yes_no
from eval.row_files import read_rows_of_any
from eval.tasks.base import Counts, Item, Task, TaskConfig
from eval.tasks.official_files import answers_path, check_unique, fields
from eval.tasks.published import COCO_VAL2014, Published, github
from mmtune.errors import UserError
from mmtune.wording import counted

SPLIT = re.compile(r"random|popular|adversarial")
"""Told from the file's name, as ``coco_pope_random.json``."""
SOURCE = re.compile(r"aokvqa|gqa|seem", re.IGNORECASE)
"""Whose images they are where they are not COCO's, told from the file's name, as ``gqa_pope_random.json``."""


class Pope(Task):
    """One split of POPE: JSON Lines of {question_id, image, text, label}.

    A reply is read as POPE's script reads it; ``unparsed`` is the share of replies with neither yes nor a
    negation, which that script counts as yes. Figures ending in ``_fixed`` read the first of these words in
    the reply, whatever its case and marks, and take a reply without one for wrong; ``yes_ratio_fixed`` is the
    share of replies that say yes, as in the yes-bias.

    Source: AoiDragon/POPE, evaluate.py.
    """

    title = "POPE: object existence, yes or no"
    published = Published(
        "MIT (questions); images under Flickr's terms",
        "3 x 3,000",
        "500 of COCO val2014",
        "6.2 GB with all of val2014",
        "https://github.com/AoiDragon/POPE",
        (
            *(
                github("AoiDragon/POPE", f"output/coco/coco_pope_{split}.json")
                for split in ("random", "popular", "adversarial")
            ),
            COCO_VAL2014,
        ),
        "annotations={folder},images={folder}/val2014",
    )
    primary = "f1"
    lower_is_better = frozenset({"unparsed"})
    default_prompt = "short"
    default_max_new_tokens = 16

    def __init__(self, config: TaskConfig) -> None:
        super().__init__(config)
        stem = self.annotations.stem
        split, source = SPLIT.search(stem), SOURCE.search(stem)
        self.source = source.group().lower() if source else "coco"
        if config.name is None:
            told = ["pope", self.source if source else "", split.group() if split else ""]
            self.name = "_".join(filter(None, told))

    def load(self) -> list[Item]:
        path = self.annotations
        items = []
        for number, row in enumerate(read_rows(path), start=1):
            question_id, image, text, label = fields(
                row, ("question_id", "image", "text", "label"), path, number
            )
            if label not in ("yes", "no"):
                raise UserError(
                    f"The label of question {question_id} is {label!r}, neither yes nor no",
                    str(path),
                    "write it so, in lower case: POPE's script counts any other as yes",
                )
            items.append(Item(str(question_id), image, text, label, {}, question_id))
        check_unique(items, path)
        return items

    def score(self, prediction: str, item: Item) -> Counts:
        said, true = parse_pope(prediction) == "yes", item.truth != "no"
        read = read_yes_no(prediction)
        return {
            "tp": float(said and true),
            "fp": float(said and not true),
            "tn": float(not said and not true),
            "fn": float(not said and true),
            "neither": float(read is None),
            "tp_fixed": float(read == "yes" and true),
            "tn_fixed": float(read == "no" and not true),
            "yes_fixed": float(read == "yes"),
        }

    def unanswered(self, item: Item) -> Counts:
        """The wrong answer; an empty one would be read as yes."""
        return self.score("no" if item.truth == "yes" else "yes", item) | {"neither": 1.0, "yes_fixed": 0.0}

    def read_answers(self, path: Path, items: Sequence[Item]) -> dict[str, str]:
        """By id where the rows have one; the script's own form, {question, answer}, goes by line, and then
        each line must ask what the label file asks in it."""
        rows = read_rows_of_any(path)
        if not rows or any(name in rows[0] for name in self.answer_ids):
            return super().read_answers(path, items)
        answers: dict[str, str] = {}
        if len(rows) != len(items):
            raise UserError(
                f"The answer file has {counted(len(rows), 'row')} without ids, but the benchmark has"
                f" {counted(len(items), 'question')}",
                str(path),
                "give each row its question_id",
            )
        for number, (row, item) in enumerate(zip(rows, items, strict=True), start=1):
            question, answer = fields(row, ("question", "answer"), path, number)
            if question != item.question:
                raise UserError(
                    f"Row {number} answers {question!r}, but the label file asks {item.question!r} there",
                    str(path),
                    "put the rows into the order of the labels, or give each its question_id",
                )
            add_answer(answers, item.id, answer, path)
        return answers

    def aggregate(self, totals: Totals) -> dict[str, Array]:
        tp, fp, tn, fn = (totals[name] for name in ("tp", "fp", "tn", "fn"))
        right_yes, right_no = totals["tp_fixed"], totals["tn_fixed"]
        items = tp + fp + tn + fn
        fixed = _scores(right_yes, fp + tn - right_no, right_no, tp + fn - right_yes)
        # A reply that is neither counts among the wrong ones, but without any yes there is no precision.
        fixed["precision"] = np.where(totals["yes_fixed"] > 0, fixed["precision"], np.nan)
        return {
            **_scores(tp, fp, tn, fn),
            "yes_ratio": ratio(tp + fp, items),
            "unparsed": ratio(totals["neither"], items),
            **{f"{name}_fixed": value for name, value in fixed.items()},
            "yes_ratio_fixed": ratio(totals["yes_fixed"], items),
        }

    def right(self, counts: Counts) -> bool:
        return counts["tp"] + counts["tn"] == 1

    def truth_text(self, item: Item) -> str:
        return str(item.truth)

    def write_answers(self, folder: Path, items: Sequence[Item], predictions: Mapping[str, str]) -> Path:
        """JSON Lines of {question, answer}, in the order of the label file: POPE's script pairs by line."""
        given = [item for item in items if item.id in predictions]
        path = answers_path(folder, self.name, ".jsonl", complete=len(given) == len(items))
        write_rows(path, ({"question": item.question, "answer": predictions[item.id]} for item in given))
        return path


def _scores(tp: Array, fp: Array, tn: Array, fn: Array) -> dict[str, Array]:
    precision, recall = ratio(tp, tp + fp), ratio(tp, tp + fn)
    return {
        "accuracy": ratio(tp + tn, tp + fp + tn + fn),
        "precision": precision,
        "recall": recall,
        "f1": ratio(2 * precision * recall, precision + recall),
    }
