"""POPE: is there a such-and-such in the image?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from eval.metrics.intervals import Array, Totals, ratio
from eval.metrics.yes_no import parse_pope, says_neither
from eval.tasks.base import Counts, Item, Task, TaskConfig
from eval.tasks.official_files import answers_path, check_unique, fields, read_rows, write_rows

SPLIT = re.compile(r"random|popular|adversarial")
"""Told from the file's name, as ``coco_pope_random.json``."""


class Pope(Task):
    """One split of POPE: JSON Lines of {question_id, image, text, label}.

    A reply is read as POPE's script reads it; ``unparsed`` is the share of replies with neither yes nor a
    negation, which that script counts as yes.

    Source: AoiDragon/POPE, evaluate.py.
    """

    title = "POPE: object existence, yes or no"
    primary = "f1"
    lower_is_better = frozenset({"unparsed"})
    default_prompt = "short"
    default_max_new_tokens = 16

    def __init__(self, config: TaskConfig) -> None:
        super().__init__(config)
        if config.name is None:
            split = SPLIT.search(self.annotations.stem)
            self.name = f"pope_{split.group()}" if split else "pope"

    def load(self) -> list[Item]:
        path = self.annotations
        items = []
        for number, row in enumerate(read_rows(path), start=1):
            question_id, image, text, label = fields(
                row, ("question_id", "image", "text", "label"), path, number
            )
            items.append(Item(str(question_id), image, text, str(label), {}, question_id))
        check_unique(items, path)
        return items

    def score(self, prediction: str, item: Item) -> Counts:
        said, true = parse_pope(prediction) == "yes", item.truth != "no"
        return {
            "tp": float(said and true),
            "fp": float(said and not true),
            "tn": float(not said and not true),
            "fn": float(not said and true),
            "neither": float(says_neither(prediction)),
        }

    def aggregate(self, totals: Totals) -> dict[str, Array]:
        tp, fp, tn, fn = (totals[name] for name in ("tp", "fp", "tn", "fn"))
        items = tp + fp + tn + fn
        precision, recall = ratio(tp, tp + fp), ratio(tp, tp + fn)
        return {
            "accuracy": ratio(tp + tn, items),
            "precision": precision,
            "recall": recall,
            "f1": ratio(2 * precision * recall, precision + recall),
            "yes_ratio": ratio(tp + fp, items),
            "unparsed": ratio(totals["neither"], items),
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
