"""GQA: composed questions about scenes, whose answers must agree with each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.json_files import read_json
from eval.metrics.gqa import belongs, convert, distribution, entailed_share, question_kinds
from eval.metrics.intervals import Array, Totals, ratio
from eval.tasks.accuracy import AccuracyTask
from eval.tasks.base import Counts, Item
from eval.tasks.official_files import fields
from eval.tasks.published import SEE_PAGE, Published, Remote
from mmtune.errors import UserError


class GQA(AccuracyTask):
    """A question file: an object of question id → question.

    All figures are over the balanced questions. ``binary`` and ``open`` divide them by their structure;
    ``consistency`` is the share of right answers among the questions that follow from a rightly answered one
    and are in the file; ``validity`` and ``plausibility`` need ``choices=FILE``, which is not published for
    testdev; ``distribution`` is the official script's chi-square (lower is better).

    Source: eval.py of GQA; LLaVA's conversion of replies.
    """

    takes = ("choices",)
    title = "GQA: composed questions; consistency, validity, plausibility"
    published = Published(
        SEE_PAGE,
        "12,578 (testdev, balanced)",
        "398",
        "22 GB with the images of all splits",
        "https://cs.stanford.edu/people/dorarad/gqa/download.html",
        (
            Remote("https://downloads.cs.stanford.edu/nlp/data/gqa/questions1.2.zip"),
            Remote("https://downloads.cs.stanford.edu/nlp/data/gqa/images.zip"),
        ),
        "annotations={folder}/testdev_balanced_questions.json,images={folder}/images",
    )
    answers_as_rows = False
    answer_ids = ("questionId", "question_id", "id")
    answer_texts = ("prediction", "answer", "text")
    lower_is_better = frozenset({"unparsed", "distribution"})

    def load(self) -> list[Item]:
        path = self.annotations
        questions = read_json(path)
        if not isinstance(questions, dict):
            raise UserError("The file is no object of questions", str(path), "give GQA's question file")
        self._allowed = self._choices()
        items = []
        for number, (qid, row) in enumerate(questions.items(), start=1):
            image, question = fields(row, ("imageId", "question"), path, number)
            truth = row if "answer" in row else None
            kinds = (
                {k: v for k, v in question_kinds(row).items() if k in ("structural", "semantic")}
                if truth
                else {}
            )
            items.append(Item(qid, f"{image}.jpg", question, truth, kinds, qid))
        return items

    def submitted(self, prediction: str) -> str:
        return convert(prediction)

    def value(self, answer: str, item: Item) -> float | None:
        return float(answer == item.truth["answer"])

    def score_submitted(self, answer: str, item: Item) -> Counts:
        return self._balanced(super().score_submitted(answer, item), item)

    def unanswered(self, item: Item) -> Counts:
        return self._balanced(super().unanswered(item), item)

    def counts_beside(self, answer: str, item: Item, value: float) -> Counts:
        is_open = item.truth["types"]["structural"] == "query"
        counts = {
            "open_right": value * is_open,
            "open": float(is_open),
            "binary_right": value * (not is_open),
            "binary": float(not is_open),
        }
        if self._allowed:
            allowed = self._allowed.get(item.id, {})
            for kind in ("valid", "plausible"):
                counts[kind] = float(belongs(answer, allowed.get(kind, ()), item.truth))
        return counts

    def joint(self, answers: Mapping[str, str], items: Sequence[Item]) -> dict[str, Counts]:
        questions = {item.id: item.truth for item in items}
        found: dict[str, Counts] = {}
        for item in items:
            if item.truth["isBalanced"]:
                share = entailed_share(item.id, questions, answers)
                if share is not None:
                    found[item.id] = {"consistent": share, "inferred": 1.0}
        return found

    def whole(self, answers: Mapping[str, str], items: Sequence[Item]) -> dict[str, float | None]:
        asked = {item.id: item.truth for item in items if item.truth["isBalanced"] and item.id in answers}
        return {"distribution": distribution(asked, answers)}

    def metrics_beside(self, totals: Totals) -> dict[str, Array]:
        metrics = {kind: ratio(totals[f"{kind}_right"], totals[kind]) for kind in ("binary", "open")}
        if "inferred" in totals:
            metrics["consistency"] = ratio(totals["consistent"], totals["inferred"])
        for kind, name in (("valid", "validity"), ("plausible", "plausibility")):
            if kind in totals:
                metrics[name] = ratio(totals[kind], totals["items"])
        return metrics

    def behind(self, metric: str) -> Sequence[str]:
        named = {"binary": ("binary",), "open": ("open",), "consistency": ("inferred",)}
        return named.get(metric, ("items",))

    def truth_text(self, item: Item) -> str:
        return str(item.truth["answer"]) if item.truth else "?"

    def _choices(self) -> Mapping[str, Mapping[str, Any]]:
        if not self.config.choices:
            return {}
        path = Path(self.config.choices)
        value = read_json(path)
        if not isinstance(value, dict):
            raise UserError("The file is no object of choices", str(path), "give GQA's choices file")
        return value

    @staticmethod
    def _balanced(counts: Counts, item: Item) -> Counts:
        """Questions that are not balanced are asked for the sake of consistency only."""
        return counts if item.truth["isBalanced"] else dict.fromkeys(counts, 0.0)
