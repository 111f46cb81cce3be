"""LLaVA-Bench (in the wild): a judge scores the model's answer beside that of GPT-4."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eval.json_files import read_rows
from eval.metrics.intervals import Array, Totals, ratio
from eval.metrics.judged import UNREAD, parse_pair
from eval.tasks.base import Counts, Item
from eval.tasks.judged import JudgedTask
from eval.tasks.official_files import check_unique, fields
from eval.tasks.published import SEE_PAGE, Published, hub
from mmtune.errors import UserError


class LLaVABench(JudgedTask):
    """``questions.jsonl``; judgements are the review file, rows of {question_id, content} or {tuple}.

    ``relative`` is the sum of the model's scores over that of the reference's; a review that cannot be read
    counts as -1 for both, as in the original, and is ``unparsed``. The original rounds the means to three
    places before it divides them.

    Source: eval_gpt_review_bench.py and summarize_gpt_review.py of haotian-liu/LLaVA.
    """

    title = "LLaVA-Bench (in the wild): scored beside GPT-4's answers by a judge"
    published = Published(
        SEE_PAGE,
        "60",
        "24",
        SEE_PAGE,
        "https://huggingface.co/datasets/liuhaotian/llava-bench-in-the-wild",
        (
            # The judge is shown what the image shows, and GPT-4's answer.
            *(
                hub("liuhaotian/llava-bench-in-the-wild", f"{name}.jsonl")
                for name in ("questions", "context", "answers_gpt4")
            ),
            *(
                hub("liuhaotian/llava-bench-in-the-wild", f"images/{number:03d}.jpg")
                for number in range(1, 25)
            ),
        ),
        "annotations={folder}/questions.jsonl,images={folder}",
    )
    primary = "relative"
    not_shares = frozenset({"relative", "reference_score", "model_score"})
    answer_ids = ("question_id", "id")
    judgements = ("tuple", "content", "review", "judgement")

    def load(self) -> list[Item]:
        path = self.annotations
        items = []
        for number, row in enumerate(read_rows(path), start=1):
            question_id, image, text = fields(row, ("question_id", "image", "text"), path, number)
            kinds = {"category": str(row["category"])} if row.get("category") else {}
            items.append(Item(str(question_id), image, text, "(GPT-4's answer)", kinds, question_id))
        check_unique(items, path)
        return items

    def judgement(self, row: dict[str, Any], number: int, path: Path) -> str:
        pair = row.get("tuple")
        if isinstance(pair, list) and len(pair) == 2:
            return f"{pair[0]} {pair[1]}"
        return super().judgement({k: v for k, v in row.items() if k != "tuple"}, number, path)

    def value(self, answer: str, item: Item) -> float | None:
        pair = parse_pair(answer)
        return None if pair == UNREAD else pair[1] / 10

    def counts_beside(self, answer: str, item: Item, value: float) -> Counts:
        reference, model = parse_pair(answer)
        return {"reference": reference, "model": model}

    def unanswered(self, item: Item) -> Counts:
        """Without a review there is no score of the reference to hold against."""
        raise UserError(
            f"Question {item.id} has no review, and none cannot count as a wrong one",
            fix="leave it out with --missing skip",
        )

    def aggregate(self, totals: Totals) -> dict[str, Array]:
        return {
            "relative": ratio(totals["model"], totals["reference"]),
            "reference_score": ratio(totals["reference"], totals["items"]),
            "model_score": ratio(totals["model"], totals["items"]),
            "unparsed": ratio(totals["unparsed"], totals["items"]),
        }
