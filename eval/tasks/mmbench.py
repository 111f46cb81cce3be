"""MMBench: questions with options that must be answered rightly under every rotation of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from eval.metrics.choice import REFUSED, infer_choice
from eval.metrics.intervals import Array, Totals, ratio
from eval.metrics.mmbench import ROTATION
from eval.row_files import read_rows_of_any
from eval.tasks.base import Counts, Item
from eval.tasks.choices import (
    Choice,
    ChoiceTask,
    asked,
    empty,
    kinds_of,
    letter_of,
    options_in,
    truth_choice,
)
from eval.tasks.embedded import TableOfImages
from eval.tasks.official_files import answers_path, check_unique, fields
from eval.tasks.published import SEE_PAGE, Published, Remote

_SERVER = "https://download.openmmlab.com/mmclassification/datasets/mmbench"
_KINDS = {"category": "category"} | dict.fromkeys(
    ("l2_category", "L2-category", "l2-category"), "l2-category"
)
"""Column → breakdown under the official column's name; copies of the benchmark write the former otherwise."""


class MMBench(ChoiceTask, TableOfImages):
    """A TSV table of index, question, hint, A to D, answer, category, l2-category and image.

    ``circular`` is the benchmark's figure: questions that are right under all their rotations, which stand in
    the table under index + k * 1,000,000; ``accuracy`` is that of the unrotated questions. Replies are read
    by the official rule without its language model, so that a reply that names no option is wrong.

    Source: mcq_circular_eval and can_infer of open-compass/VLMEvalKit (exact_matching).
    """

    title = "MMBench: options, right only under every rotation"
    published = Published(
        "Apache 2.0 (repository)",
        "4,329 rows, rotations among them (dev)",
        "in the table",
        SEE_PAGE,
        "https://github.com/open-compass/MMBench",
        (Remote(f"{_SERVER}/mmbench_dev_20230712.tsv"),),
        "annotations={folder}/mmbench_dev_20230712.tsv",
    )
    primary = "circular"
    answer_ids = ("index", "question_id", "id")
    answer_texts = ("prediction", "text", "answer")

    def load(self) -> list[Item]:
        path = self.annotations
        items = []
        self._options: dict[str, Mapping[str, str]] = {}
        for number, row in enumerate(read_rows_of_any(path), start=1):
            index, question = fields(row, ("index", "question"), path, number)
            options = self._options[str(index)] = options_in(row)
            truth = None
            if not empty(row.get("answer")):
                truth = Choice(letter_of(row["answer"], options, path, number), options)
            hint = "" if empty(row.get("hint")) else str(row["hint"])
            image = self.image_name(row, number - 1, "image")
            items.append(
                Item(
                    str(index),
                    image,
                    asked(str(question), options, hint),
                    truth,
                    kinds_of(row, _KINDS),
                    int(index),
                )
            )
        check_unique(items, path)
        self._rotations = Counter(map(self.together, items))
        return items

    def together(self, item: Item) -> str:
        """The unrotated question's index."""
        return str(int(item.id) % ROTATION)

    def image_name(self, row: Mapping[str, Any], number: int, column: str) -> str:
        """All rotations of a question share its image."""
        return f"{int(row['index']) % ROTATION}.jpg"

    def value(self, answer: str, item: Item) -> float | None:
        truth = truth_choice(item)
        letter = infer_choice(answer, truth.options)
        return None if letter in (None, REFUSED) else float(letter == truth.letter)

    def score_submitted(self, answer: str, item: Item) -> Counts:
        return self._unrotated(super().score_submitted(answer, item), item)

    def unanswered(self, item: Item) -> Counts:
        return self._unrotated(super().unanswered(item), item)

    def joint(self, answers: Mapping[str, str], items: Sequence[Item]) -> dict[str, Counts]:
        """Right under all rotations, added to the unrotated question; a question of which a rotation is left
        out is left out, since fewer rotations are easier to get right."""
        groups: dict[str, list[Item]] = {}
        for item in items:
            groups.setdefault(self.together(item), []).append(item)
        found: dict[str, Counts] = {}
        for index, group in groups.items():
            main = next((item for item in group if int(item.id) == int(index)), None)
            if main is not None and len(group) == self._rotations[index]:
                right = all(item.id in answers and self.value(answers[item.id], item) == 1 for item in group)
                found[main.id] = {"circular_right": float(right), "circular_items": 1.0}
        return found

    def aggregate(self, totals: Totals) -> dict[str, Array]:
        metrics = {"accuracy": ratio(totals["right"], totals["items"])}
        if "circular_items" in totals:
            metrics = {"circular": ratio(totals["circular_right"], totals["circular_items"]), **metrics}
        return metrics | {"unparsed": ratio(totals["unparsed"], totals["items"])}

    def behind(self, metric: str) -> Sequence[str]:
        return ("circular_items",) if metric == "circular" else ("items",)

    def write_answers(self, folder: Path, items: Sequence[Item], predictions: Mapping[str, str]) -> Path:
        """An Excel file of index, question, A to D and prediction, as the server took it."""
        import openpyxl
        from openpyxl.cell import WriteOnlyCell

        given = [item for item in items if item.id in predictions]
        path = answers_path(folder, self.name, ".xlsx", complete=len(given) == len(items))
        book = openpyxl.Workbook(write_only=True)
        sheet = book.create_sheet()
        letters = [*"ABCD"]
        sheet.append(["index", "question", *letters, "prediction"])
        for item in given:
            cells = [self._options[item.id].get(letter) for letter in letters]
            reply = WriteOnlyCell(sheet, _printable(predictions[item.id]))
            reply.data_type = "s"  # a reply may start as a formula does
            sheet.append([item.official_id, item.question, *cells, reply])
        book.save(path)
        return path

    @staticmethod
    def _unrotated(counts: Counts, item: Item) -> Counts:
        """Rotated copies count in ``circular`` only."""
        return counts if int(item.id) < ROTATION else dict.fromkeys(counts, 0.0)


def _printable(text: str) -> str:
    """A text without the control characters and halves of pairs that an Excel file cannot hold."""
    return "".join(
        letter
        for letter in text
        if letter in "\n\t" or (ord(letter) >= 32 and not "\ud800" <= letter <= "\udfff")
    )


class MMBenchChinese(MMBench):
    """MMBench-CN: the same table in Chinese."""

    title = "MMBench-CN: options, right only under every rotation, in Chinese"
    published = replace(
        MMBench.published,
        files=(Remote(f"{_SERVER}/mmbench_dev_cn_20231003.tsv"),),
        use="annotations={folder}/mmbench_dev_cn_20231003.tsv",
    )
    default_prompt = "letter_cn"
