"""MMMU: college questions of thirty subjects, with options or open."""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.json_files import write_json
from eval.metrics.mmmu import open_right, parse_multiple_choice, parse_open
from eval.tasks.accuracy import AccuracyTask
from eval.tasks.base import Item
from eval.tasks.choices import asked, lettered
from eval.tasks.embedded import TableOfImages
from eval.tasks.official_files import answers_path, check_unique, fields
from eval.tasks.published import SEE_PAGE, Published, hub
from eval.tasks.tables import read_benchmark_rows
from mmtune.errors import UserError
from mmtune.records import IMAGE_PLACEHOLDER

_SUBJECTS = (
    *("Accounting", "Agriculture", "Architecture_and_Engineering", "Art", "Art_Theory"),
    *("Basic_Medical_Science", "Biology", "Chemistry", "Clinical_Medicine", "Computer_Science", "Design"),
    *("Diagnostics_and_Laboratory_Medicine", "Economics", "Electronics", "Energy_and_Power", "Finance"),
    *("Geography", "History", "Literature", "Manage", "Marketing", "Materials", "Math"),
    *("Mechanical_Engineering", "Music", "Pharmacy", "Physics", "Psychology", "Public_Health", "Sociology"),
)
_IMAGES = tuple(f"image_{number}" for number in range(1, 8))
_MENTION = re.compile(r"<image (\d)>")
_SUBJECT = re.compile(r"^[a-z]+_(.+)_\d+$")


@dataclass(frozen=True)
class Truth:
    """The truth of a question."""

    answer: str | Sequence[str]
    options: Mapping[str, str]
    """Letter → text; empty for an open question."""
    is_choice: bool

    def __str__(self) -> str:
        return self.answer if isinstance(self.answer, str) else " or ".join(self.answer)


class MMMU(AccuracyTask, TableOfImages):
    """Rows of id, question, options, answer and question_type (parquet or JSON), or ``answer_dict_val.json``.

    Each ``<image n>`` in a question or its options is the row's nth image at that place, also where one is
    mentioned twice; where none is mentioned the first stands in front. Images in a folder are ``ID_n.png``.

    Replies are read by the official rules; where these draw an option at random the reply is ``unparsed``
    and wrong. The answer file is an object of id → reply.

    Source: mmmu/utils/eval_utils.py of MMMU-Benchmark/MMMU.
    """

    title = "MMMU: college questions of thirty subjects"
    published = Published(
        "Apache 2.0",
        "900 (validation)",
        "in the tables, up to 7 a question",
        SEE_PAGE,
        "https://huggingface.co/datasets/MMMU/MMMU",
        tuple(
            hub("MMMU/MMMU", f"{subject}/validation-00000-of-00001.parquet", f"{subject}.parquet")
            for subject in _SUBJECTS
        ),
        "annotations={folder}",
    )
    image_columns = _IMAGES
    default_prompt = "bare"
    default_max_new_tokens = 64
    answer_ids = ("id", "question_id")
    answer_texts = ("response", "answer", "prediction", "text")

    def load(self) -> list[Item]:
        path = self.annotations
        items = []
        for number, row in enumerate(read_benchmark_rows(path, without=_IMAGES), start=1):
            (identity,) = fields(row, ("id",), path, number)
            truth = _truth(row, path, number)
            subject = _SUBJECT.match(str(identity))
            kinds = {"subject": subject[1]} if subject else {}
            line = "letter" if truth.is_choice else "short"
            question = asked(str(row.get("question", "")), truth.options)
            mentioned = _MENTION.findall(question) or "1"
            images = tuple(self.image_name(row, number - 1, f"image_{each}") for each in mentioned)
            text = _instructed(_MENTION.sub(IMAGE_PLACEHOLDER, question), line)
            items.append(Item(str(identity), images[0], text, truth, kinds, identity, images))
        check_unique(items, path)
        return items

    def image_name(self, row: Mapping[str, Any], number: int, column: str) -> str:
        return f"{row['id']}_{column.removeprefix('image_')}.png"

    def value(self, answer: str, item: Item) -> float | None:
        truth: Truth = item.truth
        if not truth.is_choice:
            return float(open_right(truth.answer, parse_open(answer)))
        letters = truth.options or dict.fromkeys("ABCDEFGHI", "\0")
        letter = parse_multiple_choice(answer, letters)
        return None if letter is None else float(letter == truth.answer)

    def write_answers(self, folder: Path, items: Sequence[Item], predictions: Mapping[str, str]) -> Path:
        """A JSON object of id → reply."""
        given = {item.id: predictions[item.id] for item in items if item.id in predictions}
        path = answers_path(folder, self.name, ".json", complete=len(given) == len(items))
        write_json(path, given)
        return path


def _truth(row: Mapping[str, Any], path: Path, number: int) -> Truth:
    answer = row.get("answer", row.get("ground_truth"))
    if answer is None or answer == "?":
        raise UserError(
            f"Row {number} has no answer", str(path), "give the split with the answers, dev or val"
        )
    is_choice = "open" not in str(row.get("question_type", "multiple-choice"))
    options = row.get("options") or []
    if isinstance(options, str):
        try:
            options = ast.literal_eval(options)
        except (ValueError, SyntaxError) as error:
            raise UserError(f"The options of row {number} are no list", str(path), "mend the row") from error
    if isinstance(answer, str) and not is_choice and answer.startswith("["):
        with contextlib.suppress(ValueError, SyntaxError):  # an answer may merely start with a bracket
            answer = [str(one) for one in ast.literal_eval(answer)]
    return Truth(answer, lettered(options) if is_choice else {}, is_choice)


def _instructed(question: str, line: str) -> str:
    """The question with the line that its kind has in the protocol."""
    from eval.tasks.base import PROMPTS

    return PROMPTS[line].replace("{question}", question)
