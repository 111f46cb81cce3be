"""RealWorldQA: photographs of streets and rooms, with options or a word to answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eval.metrics.choice import parse_letter
from eval.tasks.accuracy import AccuracyTask
from eval.tasks.base import Item
from eval.tasks.choices import LETTERS, asked, options_in
from eval.tasks.embedded import FILE_NAME, TableOfImages
from eval.tasks.official_files import check_unique, fields
from eval.tasks.published import Published
from eval.tasks.tables import read_benchmark_rows


class RealWorldQA(AccuracyTask, TableOfImages):
    """Rows of question, answer (a letter or a word), and options A to D where they stand apart.

    A letter is read out of the reply; a word must be the whole reply, case and a final stop aside.

    Source: xAI, RealWorldQA; there is no official script.
    """

    title = "RealWorldQA: the real world, letters and words"
    published = Published(
        "CC BY-ND 4.0",
        "765",
        "765, in the table",
        "0.7 GB",
        "https://huggingface.co/datasets/xai-org/RealworldQA",
    )
    default_prompt = "bare"
    answer_ids = ("index", "question_id", "id")
    answer_texts = ("prediction", "answer", "text")

    def load(self) -> list[Item]:
        path = self.annotations
        items = []
        for number, row in enumerate(read_benchmark_rows(path)):
            question, answer = fields(row, ("question", "answer"), path, number + 1)
            identity = row.get("index", number)
            options = options_in(row)
            text = asked(str(question), options)
            image = self.image_name(row, number, "image")
            items.append(Item(str(identity), image, text, str(answer).strip(), {}, identity))
        check_unique(items, path)
        return items

    def image_name(self, row: Mapping[str, Any], number: int, column: str) -> str:
        """The file that the row names, as in the published folder, or one named after the row."""
        named = row.get("image")
        if isinstance(named, str) and FILE_NAME.search(named):
            return named
        return f"{row.get('index', number)}.jpg"

    def value(self, answer: str, item: Item) -> float | None:
        truth = str(item.truth)
        if len(truth) == 1 and truth in LETTERS:
            letter = parse_letter(answer, LETTERS)
            return None if letter is None else float(letter == truth)
        return float(answer.strip().rstrip(".").lower() == truth.rstrip(".").lower())
