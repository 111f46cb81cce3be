"""TextVQA: questions about text in photographs, with ten annotators' answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from eval.json_files import read_json
from eval.metrics.vqa import normalize_evalai, textvqa_accuracy
from eval.tasks.accuracy import AccuracyTask
from eval.tasks.base import Item
from eval.tasks.official_files import check_unique, fields, section
from eval.tasks.published import Published, Remote
from eval.tasks.truths import most_given
from mmtune.errors import UserError
from mmtune.wording import counted


class TextVQA(AccuracyTask):
    """``TextVQA_0.5.1_val.json``; images in ``train_images/``.

    LLaVA-1.5's published figure shows the model the text that an OCR system found; ``ocr=FILE`` (the
    dataset's Rosetta file) does the same, and the results say so by the task's prompt.

    Source: TextVQAAccuracyEvaluator of facebookresearch/mmf.
    """

    takes = ("ocr",)
    title = "TextVQA: text in photographs, ten annotators"
    published = Published(
        "CC BY 4.0",
        "5,000 (val)",
        "3,166",
        "7 GB",
        "https://textvqa.org/dataset/",
        (
            Remote("https://dl.fbaipublicfiles.com/textvqa/data/TextVQA_0.5.1_val.json"),
            Remote("https://dl.fbaipublicfiles.com/textvqa/data/TextVQA_Rosetta_OCR_v0.2_val.json"),
            Remote("https://dl.fbaipublicfiles.com/textvqa/images/train_val_images.zip"),
        ),
        "annotations={folder}/TextVQA_0.5.1_val.json,images={folder}/train_images",
    )
    answers_as_rows = False

    def load(self) -> list[Item]:
        path = self.annotations
        tokens = self._tokens()
        items = []
        for number, row in enumerate(section(read_json(path), "data", path), start=1):
            question_id, image_id, question = fields(
                row, ("question_id", "image_id", "question"), path, number
            )
            answers = row.get("answers")
            if answers is not None and len(answers) != 10:
                raise UserError(
                    f"Question {question_id} has {counted(len(answers), 'answer')}, not ten", str(path)
                )
            if self.config.ocr:
                question = f"{question}\nReference OCR token: {', '.join(tokens.get(image_id, []))}"
            items.append(Item(str(question_id), f"{image_id}.jpg", question, answers, {}, question_id))
        check_unique(items, path)
        return items

    def submitted(self, prediction: str) -> str:
        return normalize_evalai(prediction)

    def value(self, answer: str, item: Item) -> float | None:
        return textvqa_accuracy(answer, item.truth)

    def truth_text(self, item: Item) -> str:
        return most_given(item.truth)

    def _tokens(self) -> Mapping[str, list[str]]:
        if not self.config.ocr:
            return {}
        path = Path(self.config.ocr)
        found: dict[str, list[str]] = {}
        for number, row in enumerate(section(read_json(path), "data", path), start=1):
            image_id, words = fields(row, ("image_id", "ocr_tokens"), path, number)
            found[image_id] = [str(word) for word in words]
        return found
