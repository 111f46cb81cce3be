"""VQAv2 questions and annotations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from data_builders.miniworld.questions.base import Question

_ANNOTATORS = 10
_MOST_PER_IMAGE = 1000

Row = dict[str, Any]


def question_rows(questions: Sequence[Question], image_id: int) -> list[Row]:
    """Rows of the question file; as in VQAv2 a question's id is its image's with three digits more."""
    return [
        {"image_id": image_id, "question": question.text, "question_id": image_id * _MOST_PER_IMAGE + number}
        for number, question in enumerate(questions)
    ]


def annotation_rows(questions: Sequence[Question], image_id: int) -> list[Row]:
    """Rows of the annotation file: ten annotators who agree, and the question's family as its type."""
    rows = []
    for number, question in enumerate(questions):
        row: Row = {"question_type": question.family, "multiple_choice_answer": question.answer}
        row["answers"] = [
            {"answer": question.answer, "answer_confidence": "yes", "answer_id": annotator}
            for annotator in range(1, _ANNOTATORS + 1)
        ]
        row |= {"image_id": image_id, "answer_type": answer_type(question.answer)}
        rows.append(row | {"question_id": image_id * _MOST_PER_IMAGE + number})
    return rows


def answer_type(answer: str) -> str:
    """VQAv2's three kinds of answers."""
    if answer in ("yes", "no"):
        return "yes/no"
    return "number" if answer.isdigit() else "other"


def questions_head(subset: str, info: Row) -> Row:
    """What stands in a question file beside the questions."""
    head: Row = {"info": info, "task_type": "Open-Ended", "data_type": "miniworld", "data_subtype": subset}
    return head | {"license": _LICENCE}


def annotations_head(subset: str, info: Row) -> Row:
    """What stands in an annotation file beside the annotations."""
    return {"info": info, "data_type": "miniworld", "data_subtype": subset, "license": _LICENCE}


_LICENCE = {"name": "CC0-1.0", "url": "https://creativecommons.org/publicdomain/zero/1.0/"}
