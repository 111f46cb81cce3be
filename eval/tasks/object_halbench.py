"""Object HalBench: objects that are not there, in detailed descriptions of COCO's images."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.answer_files import add_answer
from eval.json_files import read_rows, write_rows
from eval.metrics.chair import Chair
from eval.metrics.intervals import Array, Totals, ratio
from eval.row_files import read_rows_of_any
from eval.tasks.base import Counts, Item
from eval.tasks.coco import read_coco
from eval.tasks.embedded import FILE_NAME, TableOfImages
from eval.tasks.official_files import answers_path, check_unique, fields
from eval.tasks.published import COCO_ANNOTATIONS, SEE_PAGE, Published
from mmtune.errors import UserError

_EXTRACTED = "extract_objs"
_FEW_WORDS = 3


class ObjectHalBench(TableOfImages):
    """``obj_halbench_300_with_image.jsonl``: rows of {image_id, question, image}; ``truth=`` names COCO's
    instance and caption files, or the folder with both, as for ``chair``.

    ``chair_s_refine`` is the share of responses with an object that is not in the image, among those that
    name any of COCO's; ``chair_s`` is that among all. The official figures have a language model list the
    objects of each response: they are made where the answer file's rows have its lists as ``extract_objs``
    (as the script names them), or ``replies=FILE`` has rows of {image_id, extract_objs}. Otherwise the
    table's words are looked up in the response, as the script does without its model; ``extracted_by_model``
    tells the share of the responses that a model's lists were there for. Lemmas and nouns are our table's in
    place of spaCy's and WordNet's; ``synonyms=FILE`` takes the authors' ``synonyms_refine.txt``.

    Source: eval/eval_gpt_obj_halbench.py of RLHF-V/RLHF-V.
    """

    needs = ("annotations", "truth")
    takes = ("replies", "synonyms")
    title = "Object HalBench: hallucinated objects in detailed descriptions"
    published = Published(
        SEE_PAGE,
        "300",
        "300 of COCO 2014, in the rows",
        "0.3 GB of COCO's annotations",
        "https://github.com/RLHF-V/RLHF-V",
        (COCO_ANNOTATIONS,),
        "annotations=FILE,truth={folder}/annotations",
    )
    primary = "chair_s_refine"
    lower_is_better = frozenset({"chair_s_refine", "chair_s", "chair_i"})
    default_max_new_tokens = 1024
    answer_ids = ("image_id", "question_id", "id")
    answer_texts = ("answer", "text", "response", "prediction", "caption")

    def load(self) -> list[Item]:
        path = self.annotations
        there = self._objects()
        self._extracted: dict[str, list[str]] = {}
        if self.config.replies:
            self._take(read_rows(Path(self.config.replies)), Path(self.config.replies))
        items = []
        for number, row in enumerate(read_rows(path), start=1):
            (image_id,) = fields(row, ("image_id",), path, number)
            question = row.get("question") or row.get("prompt")
            if not isinstance(question, str):
                raise UserError(f"Row {number} has no 'question'", str(path), "give the benchmark's own file")
            if str(image_id) not in there:
                raise UserError(
                    f"Image {image_id} of row {number} is not in COCO's annotations",
                    self.config.truth,
                    "give those of 2014 with truth=FOLDER",
                )
            name = self.image_name(row, number - 1, "image")
            items.append(Item(str(image_id), name, question, there[str(image_id)], {}, image_id))
        check_unique(items, path)
        return items

    def image_name(self, row: Mapping[str, Any], number: int, column: str) -> str:
        """The file that the row names, or one named after the image where the row holds it."""
        named = row.get("image")
        return named if isinstance(named, str) and FILE_NAME.search(named) else f"{row['image_id']}.jpg"

    def read_answers(self, path: Path, items: Sequence[Item]) -> dict[str, str]:
        """Rows of {image_id, answer}; those that hold what a language model extracted are scored by it."""
        rows = read_rows_of_any(path)
        answers: dict[str, str] = {}
        if not rows or "image_id" not in rows[0]:
            return super().read_answers(path, items)
        for number, row in enumerate(rows, start=1):
            (image_id,) = fields(row, ("image_id",), path, number)
            text = next((row[name] for name in self.answer_texts if name in row), None)
            add_answer(answers, str(image_id), text, path)
        self._take([row for row in rows if _EXTRACTED in row], path)
        return answers

    def score(self, prediction: str, item: Item) -> Counts:
        listed = self._extracted.get(item.id)
        if listed is None:
            mentions = self._finder.mentions(prediction)
        else:
            texts = [] if len(prediction.split()) <= _FEW_WORDS else listed
            mentions = list(dict.fromkeys(found for text in texts for found in self._finder.mentions(text)))
        named = [name for _, name in mentions]
        wrong = [name for name in named if name not in item.truth]
        return {
            "responses": 1.0,
            "naming": float(bool(named)),
            "bad": float(bool(wrong)),
            "mentions": float(len(named)),
            "wrong": float(len(wrong)),
            "found": float(len(item.truth.intersection(named))),
            "there": float(len(item.truth)),
            "by_model": float(listed is not None),
        }

    def unanswered(self, item: Item) -> Counts:
        """A description that was never written hallucinates nothing, so it cannot count as wrong."""
        raise UserError(
            f"Image {item.id} has no description, and none cannot count as a wrong one",
            fix="leave it out with --missing skip",
        )

    def aggregate(self, totals: Totals) -> dict[str, Array]:
        return {
            "chair_s_refine": ratio(totals["bad"], totals["naming"]),
            "chair_s": ratio(totals["bad"], totals["responses"]),
            "chair_i": ratio(totals["wrong"], totals["mentions"]),
            "recall": ratio(totals["found"], totals["there"]),
            "extracted_by_model": ratio(totals["by_model"], totals["responses"]),
        }

    def behind(self, metric: str) -> Sequence[str]:
        return ("naming",) if metric == "chair_s_refine" else ()

    def right(self, counts: Counts) -> bool:
        """Something is named and nothing of it hallucinated."""
        return counts["naming"] > 0 and counts["bad"] == 0

    def truth_text(self, item: Item) -> str:
        return ", ".join(sorted(item.truth)) or "none of the classes"

    def write_answers(self, folder: Path, items: Sequence[Item], predictions: Mapping[str, str]) -> Path:
        """JSON Lines of {image_id, question, answer}, as the script takes it."""
        given = [item for item in items if item.id in predictions]
        path = answers_path(folder, self.name, ".jsonl", complete=len(given) == len(items))
        write_rows(
            path,
            ({"image_id": i.official_id, "question": i.question, "answer": predictions[i.id]} for i in given),
        )
        return path

    def _objects(self) -> dict[str, frozenset[str]]:
        """Classes of each image: its instances' and those that its reference captions name."""
        if not self.config.truth:
            raise UserError(
                "Object HalBench needs COCO's annotations",
                self.config.annotations,
                "give the folder with instances_*2014.json and captions_*2014.json as truth=FOLDER",
            )
        images, _ = read_coco([Path(path) for path in self.config.truth.split(":")])
        try:
            self._finder = Chair(self.config.synonyms, "fixed")
        except (ValueError, OSError) as error:
            raise UserError(f"The synonym table cannot be used: {error}", self.config.synonyms) from error
        return {
            str(image.id): frozenset(
                (
                    *map(self._finder.class_name, image.categories),
                    *(name for caption in image.captions for name in self._finder.objects(caption)),
                )
            )
            for image in images.values()
        }

    def _take(self, rows: Sequence[Mapping[str, Any]], path: Path) -> None:
        for number, row in enumerate(rows, start=1):
            image_id, listed = fields(row, ("image_id", _EXTRACTED), path, number)
            try:
                listed = json.loads(listed) if isinstance(listed, str) else listed
            except json.JSONDecodeError:
                listed = None
            if not isinstance(listed, list) or not all(isinstance(text, str) for text in listed):
                raise UserError(
                    f"What was extracted from the answer about image {image_id} is no list of texts",
                    str(path),
                    "have it extracted again",
                )
            self._extracted[str(image_id)] = listed
