"""DocVQA and InfographicVQA: questions about documents, scored by how near the spelling is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from eval.json_files import read_json
from eval.metrics.anls import anls
from eval.tasks.accuracy import AccuracyTask
from eval.tasks.base import Item
from eval.tasks.official_files import check_unique, fields, section
from eval.tasks.published import SEE_PAGE, Published


class DocVQA(AccuracyTask):
    """``val_v1.0.json``: {dataset_name, data: [{questionId, question, answers, image}]}.

    Source: evaluation script of the Robust Reading Competition.
    """

    title = "DocVQA: documents, likeness of spelling (ANLS)"
    published = Published(
        SEE_PAGE,
        "5,349 (val)",
        "1,286",
        SEE_PAGE,
        "https://rrc.cvc.uab.es/?ch=17 (with a login)",
    )
    primary = "anls"
    answers_as_rows = False
    answer_ids = ("questionId", "question_id", "id")

    def load(self) -> list[Item]:
        path = self.annotations
        items = []
        for number, row in enumerate(section(read_json(path), "data", path), start=1):
            question_id, question = fields(row, ("questionId", "question"), path, number)
            image = str(row.get("image") or row.get("image_local_name") or "")
            kinds = {
                ours: " + ".join(map(str, row[theirs]))
                for ours, theirs in (("answer_type", "answer_type"), ("question_type", "question_types"))
                if row.get(theirs)
            }
            items.append(Item(str(question_id), image, question, row.get("answers"), kinds, question_id))
        check_unique(items, path)
        return items

    def value(self, answer: str, item: Item) -> float | None:
        return anls(answer, item.truth)

    def truth_text(self, item: Item) -> str:
        return " or ".join(item.truth) if item.truth else "?"

    def answer_row(self, item: Item, answer: str) -> dict[str, Any]:
        return {"questionId": item.official_id, "answer": answer}


class InfographicVQA(DocVQA):
    """``infographicsVQA_val_v1.0.json``; files and score as DocVQA's."""

    title = "InfographicVQA: infographics, likeness of spelling (ANLS)"
    published = replace(DocVQA.published, items="2,801 (val)", images="500")
