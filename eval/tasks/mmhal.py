"""MMHal-Bench: 96 questions that invite hallucination, rated by a judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.answer_files import add_answer
from eval.json_files import read_json, read_rows, read_text, write_json
from eval.metrics.intervals import Array, Totals, ratio
from eval.metrics.judged import MMHAL_TYPES, parse_mmhal
from eval.row_files import read_rows_of_any
from eval.tasks.base import Counts, Item
from eval.tasks.judged import JudgedTask
from eval.tasks.official_files import answers_path, fields
from eval.tasks.published import SEE_PAGE, Published
from mmtune.errors import UserError
from mmtune.wording import counted

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
                f"The file has {counted(len(value), 'judgement')} without ids of"
                f" {counted(len(items), 'answer')}",
                str(path),
                "give all",
            )
        answers: dict[str, str] = {}
        for item, reply in zip(items, value, strict=True):
            add_answer(answers, item.id, _content(reply), path)
        return answers

    def read_model_answers(self, path: Path, items: Sequence[Item]) -> dict[str, str]:
        """From ``response_template.json`` with ``model_answer`` filled in, in the benchmark's order, whose
        questions must agree."""
        rows = read_rows_of_any(path)
        if not rows or "model_answer" not in rows[0]:
            return super().read_model_answers(path, items)
        if len(rows) != len(items):
            raise UserError(
                f"The file has {counted(len(rows), 'answer')} without ids to"
                f" {counted(len(items), 'question')}",
                str(path),
                "give all",
            )
        answers: dict[str, str] = {}
        for number, (item, row) in enumerate(zip(items, rows, strict=True), start=1):
            question, text = fields(row, ("question", "model_answer"), path, number)
            if question != item.question:
                raise UserError(
                    f"Answer {number} is to another question than the benchmark's",
                    str(path),
                    "keep the order of response_template.json",
                )
            add_answer(answers, item.id, text, path)
        return answers

    def write_answers(self, folder: Path, items: Sequence[Item], predictions: Mapping[str, str]) -> Path:
        """The template with ``model_answer`` filled in, as the official script takes it; an item without an
        answer keeps an empty one."""
        complete = all(item.id in predictions for item in items)
        path = answers_path(folder, self.name, ".json", complete)
        rows = read_rows(self.annotations)
        write_json(path, [row | {"model_answer": predictions.get(str(n), "")} for n, row in enumerate(rows)])
        return path

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
