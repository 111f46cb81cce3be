"""VQAv2: open questions with ten annotators' answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.json_files import read_json, write_json
from eval.metrics.intervals import Array, Totals, ratio
from eval.metrics.vqa import normalize_evalai, vqa_accuracies, vqa_accuracy
from eval.tasks.base import Counts, Item, Task
from eval.tasks.official_files import NumberedImages, answers_path, check_unique, fields, section
from eval.tasks.published import COCO_VAL2014, Published, Remote
from eval.tasks.truths import most_given
from mmtune.errors import UserError
from mmtune.wording import counted


class VQAv2(Task):
    """VQAv2 and benchmarks in its format (OK-VQA): a question file and an annotation file, joined by id.

    As in the LLaVA-1.5 protocol an answer is passed through the EvalAI normalisation before it is submitted;
    ``accuracy`` is the official score of what is submitted, ``accuracy_fixed`` leaves out the official
    script's quirks. Without an annotation file (the test set) there is an answer file and no score.

    Source: GT-Vision-Lab/VQA, VQAEval.
    """

    needs = ("questions",)
    takes = ("annotations",)
    title = "VQAv2: open questions, ten annotators"
    published = Published(
        "annotations CC BY 4.0; images under Flickr's terms",
        "214,354 (val)",
        "40,504 of COCO val2014",
        "6.7 GB",
        "https://visualqa.org/download.html",
        (
            Remote("https://s3.amazonaws.com/cvmlp/vqa/mscoco/vqa/v2_Questions_Val_mscoco.zip"),
            Remote("https://s3.amazonaws.com/cvmlp/vqa/mscoco/vqa/v2_Annotations_Val_mscoco.zip"),
            COCO_VAL2014,
        ),
        "questions={folder}/v2_OpenEnded_mscoco_val2014_questions.json,"
        "annotations={folder}/v2_mscoco_val2014_annotations.json,images={folder}/val2014",
    )
    primary = "accuracy"
    default_prompt = "short"
    default_max_new_tokens = 32

    def load(self) -> list[Item]:
        if not self.config.questions:
            raise UserError(f"Task {self.name} has no question file", fix="give it with questions=FILE")
        path = Path(self.config.questions)
        file = read_json(path)
        annotations = self._annotations()
        folder = self.images if self.config.images or self.config.annotations else path.parent
        images = NumberedImages(folder, str(file.get("data_subtype", "")) if isinstance(file, dict) else "")
        items = []
        for number, row in enumerate(section(file, "questions", path), start=1):
            names = ("question_id", "image_id", "question")
            question_id, image_id, question = fields(row, names, path, number)
            annotation = annotations.get(question_id, {})
            kinds = _kinds(annotation)
            image = images.name(image_id)
            truth = annotation.get("answers")
            items.append(Item(str(question_id), image, question, truth, kinds, question_id))
        check_unique(items, path)
        self._check_join(items, annotations)
        return items

    def load_truth(self) -> list[Item]:
        """Items from the annotation file alone, or from both files where both are given."""
        if self.config.questions:
            return self.load()
        return [
            Item(str(qid), str(row.get("image_id", "")), "", row["answers"], _kinds(row), qid)
            for qid, row in self._read_annotations(self.annotations).items()
        ]

    def submitted(self, prediction: str) -> str:
        return normalize_evalai(prediction)

    def score(self, prediction: str, item: Item) -> Counts:
        if item.truth is None:
            return {"items": 1.0}
        return {
            "accuracy": vqa_accuracy(self.submitted(prediction), item.truth),
            "accuracy_fixed": vqa_accuracy(prediction, item.truth, mode="fixed"),
            "items": 1.0,
        }

    def score_submitted(self, answer: str, item: Item) -> Counts:
        """As the server scores it: the answer stands as it is, LLaVA's normalisation is not applied again."""
        if item.truth is None:
            return {"items": 1.0}
        accuracy, fixed = vqa_accuracies(answer, item.truth)
        return {"accuracy": accuracy, "accuracy_fixed": fixed, "items": 1.0}

    def aggregate(self, totals: Totals) -> dict[str, Array]:
        return {
            name: ratio(totals[name], totals["items"])
            for name in ("accuracy", "accuracy_fixed")
            if name in totals
        }

    def right(self, counts: Counts) -> bool:
        return counts.get("accuracy", 0.0) >= 0.5

    def truth_text(self, item: Item) -> str:
        """The annotators' answers, most frequent first."""
        return most_given(item.truth)

    def write_answers(self, folder: Path, items: Sequence[Item], predictions: Mapping[str, str]) -> Path:
        """A JSON list of {question_id, answer}, answers normalised as LLaVA submits them."""
        given = [item for item in items if item.id in predictions]
        path = answers_path(folder, self.name, ".json", complete=len(given) == len(items))
        write_json(
            path,
            [
                {"question_id": item.official_id, "answer": self.submitted(predictions[item.id])}
                for item in given
            ],
        )
        return path

    def _annotations(self) -> dict[Any, dict[str, Any]]:
        return self._read_annotations(self.annotations) if self.config.annotations else {}

    def _read_annotations(self, path: Path) -> dict[Any, dict[str, Any]]:
        rows = section(read_json(path), "annotations", path)
        found: dict[Any, dict[str, Any]] = {}
        for number, row in enumerate(rows, start=1):
            question_id, answers = fields(row, ("question_id", "answers"), path, number)
            if not answers:
                raise UserError(f"Question {question_id} has no annotated answer", str(path))
            if question_id in found:
                raise UserError(f"The id {question_id} stands in the file twice", str(path), "remove one row")
            found[question_id] = row
        return found

    def _check_join(self, items: Sequence[Item], annotations: Mapping[Any, Any]) -> None:
        """A question without its annotation, or the reverse, means that two different files were given."""
        if not annotations:
            return
        asked = {item.official_id for item in items}
        lacking = [question for question in asked if question not in annotations]
        unasked = [question for question in annotations if question not in asked]
        if lacking or unasked:
            example = (lacking or unasked)[0]
            raise UserError(
                f"{counted(len(lacking), 'question has', 'questions have')} no annotation and"
                f" {counted(len(unasked), 'annotation')} no question,"
                f" as {example}",
                f"{self.config.questions} and {self.config.annotations}",
                "give the two files of one split",
            )


def _kinds(annotation: Mapping[str, Any]) -> dict[str, str]:
    return {str(k): str(annotation[k]) for k in ("question_type", "answer_type") if k in annotation}
