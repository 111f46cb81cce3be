"""ScienceQA: school questions with options, some about an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.json_files import read_json
from eval.metrics.choice import FAILED, parse_scienceqa, scienceqa_index
from eval.metrics.intervals import Array, Totals, ratio
from eval.tasks.base import Counts, Item
from eval.tasks.choices import Choice, ChoiceTask, asked, lettered, truth_choice
from eval.tasks.official_files import fields
from eval.tasks.published import SEE_PAGE, Published, Remote, github
from mmtune.errors import UserError
from mmtune.wording import counted


class ScienceQA(ChoiceTask):
    """``problems.json`` with ``pid_splits.json`` beside it; images are ``SPLIT/ID/image.png``.

    ``accuracy`` is over all questions of the split (``split=test`` unless another is named), also those
    without an image, which are asked without one; ``image_accuracy`` over those with one.

    Source: llava/eval/eval_science_qa.py of haotian-liu/LLaVA. The benchmark's own script draws an option
    where it reads none.
    """

    takes = ("split",)
    title = "ScienceQA: school questions with options, with and without an image"
    published = Published(
        "CC BY-NC-SA 4.0",
        "4,241 (test)",
        "2,017",
        SEE_PAGE,
        "https://scienceqa.github.io",
        (
            github("lupantech/ScienceQA", "data/scienceqa/problems.json"),
            github("lupantech/ScienceQA", "data/scienceqa/pid_splits.json"),
            Remote("https://scienceqa.s3.us-west-1.amazonaws.com/images/test.zip"),
        ),
        "annotations={folder}/problems.json,images={folder}",
    )
    default_max_new_tokens = 64
    answer_ids = ("question_id", "id", "pid")
    answer_texts = ("text", "answer", "prediction")

    def load(self) -> list[Item]:
        path = self.annotations
        problems = read_json(path)
        if not isinstance(problems, dict):
            raise UserError("The file is no object of problems", str(path), "give ScienceQA's problems.json")
        items = []
        for number, pid in enumerate(self._of_split(problems, path), start=1):
            row = problems[pid]
            question, options, answer = fields(row, ("question", "choices", "answer"), path, number)
            choices = lettered(options)
            hint = f"Context: {row['hint']}" if row.get("hint") else ""
            image = f"{row.get('split', 'test')}/{pid}/{row['image']}" if row.get("image") else ""
            kinds = {name: str(row[name]) for name in ("subject", "grade") if row.get(name)}
            truth = Choice(list(choices)[answer], choices) if 0 <= answer < len(choices) else None
            if truth is None:
                raise UserError(f"The answer {answer} of problem {pid} is none of its choices", str(path))
            items.append(Item(pid, image, asked(question, choices, hint), truth, kinds, pid))
        return items

    def value(self, answer: str, item: Item) -> float | None:
        truth = truth_choice(item)
        letter = parse_scienceqa(answer, len(truth.options))
        if letter == FAILED:
            return None
        index = scienceqa_index(letter, len(truth.options))
        return float(index == list(truth.options).index(truth.letter))

    def counts_beside(self, answer: str, item: Item, value: float) -> Counts:
        return {"image_right": value * bool(item.image), "image_items": float(bool(item.image))}

    def metrics_beside(self, totals: Totals) -> dict[str, Array]:
        return {"image_accuracy": ratio(totals["image_right"], totals["image_items"])}

    def behind(self, metric: str) -> Sequence[str]:
        return ("image_items",) if metric == "image_accuracy" else ()

    def _of_split(self, problems: Mapping[str, Any], path: Path) -> Sequence[str]:
        split = self.config.split or "test"
        beside = path.parent / "pid_splits.json"
        if beside.exists():
            splits = read_json(beside)
            if split not in splits:
                raise UserError(f"There is no split {split!r}", str(beside), f"there are {', '.join(splits)}")
            lacking = [pid for pid in splits[split] if pid not in problems]
            if lacking:
                raise UserError(
                    f"Of {split} {counted(len(lacking), 'problem is', 'problems are')} not"
                    f" there, as {lacking[0]}",
                    str(path),
                )
            return [str(pid) for pid in splits[split]]
        named = [pid for pid, row in problems.items() if row.get("split") == split]
        if not named:
            raise UserError(
                f"No problem is of the split {split!r}", str(path), "put pid_splits.json beside it"
            )
        return named
