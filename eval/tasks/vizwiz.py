"""VizWiz: questions that blind people asked about photographs of theirs; some cannot be answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eval.json_files import read_rows
from eval.metrics.intervals import Array, Totals, ratio
from eval.metrics.vqa import normalize_evalai, textvqa_accuracy, vqa_accuracy
from eval.tasks.accuracy import AccuracyTask
from eval.tasks.base import Counts, Item
from eval.tasks.official_files import check_unique, fields
from eval.tasks.published import SEE_PAGE, Published, Remote
from eval.tasks.truths import most_given

_ABSTENTIONS = frozenset({"unanswerable", "unsuitable", "unsuitable image"})


class VizWiz(AccuracyTask):
    """``val.json``: rows of {image, question, answers, answer_type, answerable}.

    ``accuracy`` is what VQAEval gives on these files, whose answers have no ids, so that it leaves out all
    equal ones at once; ``accuracy_by_annotator`` leaves out one annotator at a time, as most people's figures
    do. ``abstained`` is the share of replies that decline, ``abstained_rightly`` the share of these where
    the question is marked as unanswerable, ``unanswerable_found`` the share of the unanswerable declined.

    Source: VQAEval of GT-Vision-Lab/VQA; TextVQAAccuracyEvaluator of facebookresearch/mmf.
    """

    title = "VizWiz: blind people's questions, some without an answer"
    published = Published(
        "CC BY 4.0",
        "4,319 (val)",
        "4,319",
        SEE_PAGE,
        "https://vizwiz.org/tasks-and-datasets/vqa/",
        (
            Remote("https://vizwiz.cs.colorado.edu/VizWiz_final/vqa_data/Annotations.zip"),
            Remote("https://vizwiz.cs.colorado.edu/VizWiz_final/images/val.zip"),
        ),
    )
    default_prompt = "answerable"
    answers_as_rows = False
    answer_ids = ("image", "question_id", "id")

    def load(self) -> list[Item]:
        path = self.annotations
        items = []
        for number, row in enumerate(read_rows(path), start=1):
            image, question = fields(row, ("image", "question"), path, number)
            truth = (
                {"answers": row["answers"], "answerable": row.get("answerable")} if "answers" in row else None
            )
            kinds = {"answer_type": str(row["answer_type"])} if row.get("answer_type") else {}
            items.append(Item(str(image), image, question, truth, kinds, image))
        check_unique(items, path)
        return items

    def submitted(self, prediction: str) -> str:
        return normalize_evalai(prediction)

    def value(self, answer: str, item: Item) -> float | None:
        return vqa_accuracy(answer, item.truth["answers"])

    def counts_beside(self, answer: str, item: Item, value: float) -> Counts:
        texts = [row["answer"] for row in item.truth["answers"]]
        declined = answer.strip().lower() in _ABSTENTIONS
        hopeless = item.truth["answerable"] in (0, "0")
        by_annotator = (
            textvqa_accuracy(answer, texts) if len(texts) == 10 else vqa_accuracy(answer, texts, "fixed")
        )
        return {
            "by_annotator": by_annotator if answer else 0.0,
            "declined": float(declined),
            "declined_rightly": float(declined and hopeless),
            "hopeless": float(hopeless),
        }

    def metrics_beside(self, totals: Totals) -> dict[str, Array]:
        return {
            "accuracy_by_annotator": ratio(totals["by_annotator"], totals["items"]),
            "abstained": ratio(totals["declined"], totals["items"]),
            "abstained_rightly": ratio(totals["declined_rightly"], totals["declined"]),
            "unanswerable_found": ratio(totals["declined_rightly"], totals["hopeless"]),
        }

    def behind(self, metric: str) -> Sequence[str]:
        named = {"abstained_rightly": ("declined",), "unanswerable_found": ("hopeless",)}
        return named.get(metric, ())

    def truth_text(self, item: Item) -> str:
        return most_given(item.truth["answers"] if item.truth else None)

    def answer_row(self, item: Item, answer: str) -> dict[str, Any]:
        return {"image": item.official_id, "answer": answer}
