"""MMHal-Bench: 96 questions that invite hallucination, rated by a judge."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval.answer_files import add_answer
from eval.metrics.intervals import Array, Totals, ratio
from eval.metrics.judged import MMHAL_TYPES, parse_mmhal
from eval.tasks.base import Counts, Item
from eval.tasks.judged import JudgedTask
from eval.tasks.official_files import fields, read_json, read_rows, read_text
from eval.tasks.published import SEE_PAGE, Published
from mmtune.errors import UserError

_BEST = 6.0


class MMHal(JudgedTask):
    """``response_template.json``; judgements are the judge's replies in the same order, as the official
    script saves them (a list of API responses), a list of texts, or rows with an id that counts from 0.

    ``rating`` goes from 0 to 6, ``hallucination_rate`` is the share rated below 3. A reply without exactly
    one rating is 0 and ``unparsed``.

    Source: Eval/eval_gpt_mmhal.py of llava-rlhf/LLaVA-RLHF.
    """

    title = "MMHal-Bench: questions that invite hallucination, rated by a judge"
    published = Published(
        SEE_PAGE, "96", "96", SEE_PAGE, "https://huggingface.co/datasets/Shengcao1006/MMHal-Bench"
    )
    primary = "rating"
    not_shares = frozenset({"rating"})
    lower_is_better = frozenset({"unparsed", "hallucination_rate"})

    def load(self) -> list[Item]:
        path = self.annotations
        items = []
        for number, row in enumerate(read_rows(path)):
            question, answer = fields(row, ("question", "gt_answer"), path, number + 1)
            kind = str(row.get("question_type") or MMHAL_TYPES[number % len(MMHAL_TYPES)])
            image = str(row.get("image_src", "")).rsplit("/", 1)[-1]
            items.append(Item(str(number), image, question, answer, {"question_type": kind}, number))
        return items

    def read_answers(self, path: Path, items: Sequence[Item]) -> dict[str, str]:
        if not read_text(path).lstrip().startswith("["):
            return super().read_answers(path, items)
        value = read_json(path)
        if value and isinstance(value[0], dict) and "choices" not in value[0]:
            return super().read_answers(path, items)
        if len(value) != len(items):
            raise UserError(
                f"There are {len(value)} judgements without ids of {len(items)} answers",
                str(path),
                "give all",
            )
        answers: dict[str, str] = {}
        for item, reply in zip(items, value, strict=True):
            add_answer(answers, item.id, _content(reply), path)
        return answers

    def value(self, answer: str, item: Item) -> float | None:
        rating = parse_mmhal(answer)
        return None if rating is None else rating / _BEST

    def counts_beside(self, answer: str, item: Item, value: float) -> Counts:
        return {"hallucinated": float(value * _BEST < 3)}

    def aggregate(self, totals: Totals) -> dict[str, Array]:
        return {
            "rating": _BEST * ratio(totals["right"], totals["items"]),
            "hallucination_rate": ratio(totals["hallucinated"], totals["items"]),
            "unparsed": ratio(totals["unparsed"], totals["items"]),
        }


def _content(reply: Any) -> Any:
    """The text of a saved API response; anything else as it is."""
    try:
        return reply["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        return reply
