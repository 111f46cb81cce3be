"""Questions without an image, which show what a language model forgets while it learns to see."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.json_files import read_rows
from eval.metrics.instruction_following import CHECKS, followed
from eval.metrics.intervals import Array, Totals, ratio
from eval.tasks.accuracy import AccuracyTask
from eval.tasks.base import Counts, Item
from eval.tasks.official_files import check_unique, fields
from eval.tasks.published import Published
from mmtune.assets import shipped
from mmtune.errors import UserError, unknown

_OWN = "eval/tasks/text_only.jsonl"
_OUTER = " \t\n\"'`*.,;:!?()[]"


class TextOnly(AccuracyTask):
    """Rows of {id, question, answers: [text, …]} or {id, question, instructions: [[name, argument], …]}, with
    a ``kind`` where there are several.

    Without ``annotations=FILE`` it asks the questions that ship with mmtune: sums, words, facts, copying and
    the form of an answer, written for it and used nowhere else. A reply is right where it is one of the
    answers, letter case and outer marks aside, or follows all instructions (those of ``mmmt_if``);
    ``contained`` also takes an answer that stands somewhere in the reply, so that a model that forgot only to
    be brief can be told from one that forgot the answer. Compare the figure with that of the language model
    before its visual training.

    Source: ours.
    """

    needs = ()
    takes = ("annotations",)
    title = "Text only: what visual training makes a language model forget"
    published = Published(
        "that of mmtune", "60", "none", "10 kB, ships with mmtune", "https://pypi.org/project/mmtune/"
    )
    default_prompt = "bare"
    default_max_new_tokens = 32
    answer_ids = ("id", "question_id")

    @property
    def annotations(self) -> Path:
        return Path(self.config.annotations) if self.config.annotations else shipped(_OWN)

    def load(self) -> list[Item]:
        path = self.annotations
        items = []
        for number, row in enumerate(read_rows(path), start=1):
            identity, question = fields(row, ("id", "question"), path, number)
            kinds = {"kind": str(row["kind"])} if row.get("kind") else {}
            items.append(Item(str(identity), "", question, _truth(row, path, number), kinds, identity))
        check_unique(items, path)
        return items

    def value(self, answer: str, item: Item) -> float | None:
        if "instructions" in item.truth:
            return float(
                all(followed(answer, name, argument) for name, argument in item.truth["instructions"])
            )
        return float(_plain(answer) in map(_plain, item.truth["answers"]))

    def counts_beside(self, answer: str, item: Item, value: float) -> Counts:
        answers = item.truth.get("answers", ())
        return {"contained": max(value, float(any(_stands_in(one, answer) for one in answers)))}

    def metrics_beside(self, totals: Totals) -> dict[str, Array]:
        return {"contained": ratio(totals["contained"], totals["items"])}

    def truth_text(self, item: Item) -> str:
        if "instructions" in item.truth:
            return "; ".join(f"{name} {argument}" for name, argument in item.truth["instructions"])
        return " or ".join(item.truth["answers"])


def _truth(row: Mapping[str, Any], path: Path, number: int) -> dict[str, Any]:
    """The answers or the instructions of a row.

    Raises:
        UserError: if it has neither, or an instruction that is not known.
    """
    if row.get("instructions"):
        given = row["instructions"]
        if not isinstance(given, list) or any(not isinstance(one, list) or len(one) != 2 for one in given):
            raise UserError(f"The instructions of row {number} are not pairs of name and argument", str(path))
        for name, _ in given:
            if name not in CHECKS:
                raise unknown("instruction", str(name), CHECKS, f"{path}, row {number}")
        return {"instructions": given}
    answers: Sequence[Any] = row.get("answers") or ()
    if not isinstance(answers, list) or not answers or not all(isinstance(one, str) for one in answers):
        raise UserError(f"Row {number} has no list of answers", str(path), "give answers or instructions")
    return {"answers": answers}


def _plain(text: str) -> str:
    return " ".join(text.strip(_OUTER).lower().split())


def _stands_in(answer: str, text: str) -> bool:
    return bool(re.search(rf"(?<!\w){re.escape(_plain(answer))}(?!\w)", " ".join(text.lower().split())))
