"""LLaVA-Bench (in the wild): the model's answer is scored beside GPT-4's, in both orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.json_files import read_rows
from eval.judges.base import SWAPPED, Beside, Rubric, Verdict
from eval.metrics.judged import UNREAD, parse_pair
from eval.tasks import Item
from eval.tasks.judged import JudgedTask
from eval.tasks.official_files import fields
from mmtune.errors import UserError


class LLaVABenchRubric(Rubric):
    """The judge reads what the image shows and both answers, GPT-4's first, and scores them from 1 to 10.

    Source: llava/eval/eval_gpt_review_bench.py of haotian-liu/LLaVA.
    """

    needs = frozenset({"context", "question", "first", "second"})
    max_tokens = 1024
    swaps = True

    def __init__(self, task: JudgedTask, items: Sequence[Item], beside: Beside) -> None:
        super().__init__(task, items, beside)
        folder = task.annotations.parent
        self._context = _texts(beside.context or folder / "context.jsonl", "image", ("caption",), "--context")
        self._reference = _texts(
            beside.reference or folder / "answers_gpt4.jsonl",
            "question_id",
            ("text", "answer"),
            "--reference",
        )
        for item in items:
            if item.image not in self._context or item.id not in self._reference:
                what = "description" if item.image not in self._context else "reference answer"
                raise UserError(
                    f"Question {item.id} has no {what}", str(folder), "give the benchmark's files"
                )

    def facts(self, item: Item, answer: str) -> Mapping[str, str]:
        return {
            "context": self._context[item.image],
            "question": item.question,
            "first": self._reference[item.id],
            "second": answer,
        }

    def readable(self, reply: str) -> bool:
        return parse_pair(reply) != UNREAD

    def judgement(self, reply: str, part: str) -> str:
        """The reply with the score of the reference first, in whichever order the judge saw them."""
        if part != SWAPPED or not self.readable(reply):
            return reply
        first, second = parse_pair(reply)
        return f"{second:g} {first:g}"

    def verdict(self, judgement: str) -> Verdict:
        reference, model = parse_pair(judgement)
        if (reference, model) == UNREAD:
            return None
        return "model" if model > reference else "tie" if model == reference else "reference"

    def rule(self, facts: Mapping[str, str]) -> str:
        seen = set(facts["context"].lower().split())
        first, second = (len(seen & set(facts[name].lower().split())) for name in ("first", "second"))
        return (
            f"{min(10, 1 + first)} {min(10, 1 + second)}\nThese are words that stand in the description, too."
        )


def _texts(path: Path, key: str, names: Sequence[str], option: str) -> dict[str, str]:
    """A column of text by another column."""
    if not path.is_file():
        raise UserError(
            "The judge must be shown this file of the benchmark", str(path), f"give {option} FILE"
        )
    found: dict[str, str] = {}
    for number, row in enumerate(read_rows(path), start=1):
        name = next((name for name in names if name in row), names[0])
        place, text = fields(row, (key, name), path, number)
        found[str(place)] = _text(text)
    return found


def _text(value: Any) -> str:
    """A caption may be one text or a list of them."""
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)
