"""MM-Vet: a grade from 0 to 1 for how much of the truth an answer states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eval.judges.base import Rubric, Verdict
from eval.metrics.judged import parse_grade
from eval.tasks import Item


class MMVetRubric(Rubric):
    """The reply is a number; another is asked for again, warmer each time, and counts as 0 after five.

    Source: the evaluator of yuweihao/MM-Vet, whose second attempt is as cold as the first.
    """

    max_tokens = 16
    attempts = 5

    def facts(self, item: Item, answer: str) -> Mapping[str, str]:
        truth = str(item.truth).replace("<AND>", " <AND> ").replace("<OR>", " <OR> ")
        return {"question": item.question, "truth": truth, "answer": answer}

    def readable(self, reply: str) -> bool:
        return parse_grade(reply) is not None

    def judgement(self, reply: str, part: str) -> str:
        grade = parse_grade(reply)
        return "" if grade is None else str(grade)

    def verdict(self, judgement: str) -> Verdict:
        return parse_grade(judgement)

    def rule(self, facts: Mapping[str, str]) -> str:
        said = facts["answer"].lower()
        shares = [
            sum(part.strip().lower() in said for part in parts) / len(parts)
            for parts in (one.split("<AND>") for one in facts["truth"].split("<OR>"))
        ]
        return f"{max(shares):.1f}"

    def row(self, item: Item, judgements: Sequence[str]) -> Mapping[str, Any]:
        """As the evaluator writes grades; one that it could not read is 0 there."""
        return {"id": item.id, "score": [parse_grade(text) or 0.0 for text in judgements]}
