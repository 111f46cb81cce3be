"""HallusionBench: is the answer correct, incorrect or unclear?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eval.judges.base import Rubric, Verdict
from eval.metrics.hallusion import UNCLEAR, UNREAD, judgement_of
from eval.tasks import Item

_WORDS = {"0": "incorrect", "1": "correct", "2": "unclear"}


class HallusionBenchRubric(Rubric):
    """The reply is a word. One with none of the three is "unclear" by the official rule, and is counted as
    unparsed beside that.

    Source: utils.py of tianyi-lab/HallusionBench.
    """

    max_tokens = 16
    unread_as = "unclear, which is right where a question needs no figure and has none"

    def facts(self, item: Item, answer: str) -> Mapping[str, str]:
        return {"question": item.question, "truth": self.task.truth_text(item), "answer": answer}

    def readable(self, reply: str) -> bool:
        return judgement_of(reply) != UNREAD

    def judgement(self, reply: str, part: str) -> str:
        return judgement_of(reply)

    def verdict(self, judgement: str) -> Verdict:
        return _WORDS.get(judgement)

    def rule(self, facts: Mapping[str, str]) -> str:
        said = facts["answer"].strip().lower()
        if not said.startswith(("yes", "no")):
            return "unclear"
        yes = not facts["truth"].strip().lower().startswith("no")
        return "correct" if said.startswith("yes") == yes else "incorrect"

    def row(self, item: Item, judgements: Sequence[str]) -> Mapping[str, Any]:
        """As the official script writes verdicts, and beside that whether one could be read."""
        if judgements[0] == UNREAD:
            return {**item.truth, "judge_gpt_check": str(UNCLEAR), UNREAD: True}
        return {**item.truth, "judge_gpt_check": judgements[0]}
