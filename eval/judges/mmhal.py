"""MMHal-Bench: a rating from 0 to 6, below 3 for an answer that hallucinates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from eval.json_files import read_rows
from eval.judges.base import Beside, Rubric, Verdict
from eval.metrics.judged import parse_mmhal
from eval.tasks import Item
from eval.tasks.judged import JudgedTask

_BEST, _HALLUCINATED = 6, 1


class MMHalRubric(Rubric):
    """The reply holds one "Rating: N"; the judge is told what things the image shows.

    Source: Eval/eval_gpt_mmhal.py of llava-rlhf/LLaVA-RLHF.
    """

    knows = frozenset({"content"})

    def __init__(self, task: JudgedTask, items: Sequence[Item], beside: Beside) -> None:
        super().__init__(task, items, beside)
        rows = read_rows(task.annotations)
        self._content = {str(number): _listed(row.get("image_content")) for number, row in enumerate(rows)}

    def facts(self, item: Item, answer: str) -> Mapping[str, str]:
        return {
            "content": self._content[item.id],
            "question": item.question,
            "truth": str(item.truth),
            "answer": answer,
        }

    def readable(self, reply: str) -> bool:
        return parse_mmhal(reply) is not None

    def verdict(self, judgement: str) -> Verdict:
        return parse_mmhal(judgement)

    def rule(self, facts: Mapping[str, str]) -> str:
        right = facts["truth"].lower().strip(". ") in facts["answer"].lower()
        return f"Looked for the standard answer.\nRating: {_BEST if right else _HALLUCINATED}"


def _listed(content: object) -> str:
    return ", ".join(map(str, content)) if isinstance(content, list) else str(content or "(not told)")
