"""MM-Vet: open questions that need several capabilities at once, graded by a judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.json_files import read_json, write_json
from eval.metrics.intervals import Array, Totals, ratio
from eval.tasks.base import Counts, Item
from eval.tasks.judged import JudgedTask
from eval.tasks.official_files import answers_path, fields
from eval.tasks.published import SEE_PAGE, Published, Remote
from mmtune.errors import UserError

_SEPARATORS = {"<AND>": " and ", "<OR>": " or "}


class MMVet(JudgedTask):
    """``mm-vet.json``; judgements are the evaluator's grades, an object of id → {score: [0..1, …]}.

    The answer file is an object of id → answer. ``total`` is the mean grade over items and rounds of judging;
    each capability has the mean over the items that need it.

    Source: the evaluator of yuweihao/MM-Vet.
    """

    title = "MM-Vet: several capabilities at once, graded by a judge"
    published = Published(
        SEE_PAGE,
        "218",
        "200",
        SEE_PAGE,
        "https://github.com/yuweihao/MM-Vet",
        (Remote("https://github.com/yuweihao/MM-Vet/releases/download/v1/mm-vet.zip"),),
        "annotations={folder}/mm-vet/mm-vet.json,images={folder}/mm-vet/images",
    )
    primary = "total"
    judgements = ("score", "judgement", "answer")

    def load(self) -> list[Item]:
        path = self.annotations
        value = read_json(path)
        if not isinstance(value, dict):
            raise UserError("The file is no object of questions", str(path), "give mm-vet.json")
        items = []
        for number, (identity, row) in enumerate(value.items(), start=1):
            image, question, answer, needs = fields(
                row, ("imagename", "question", "answer", "capability"), path, number
            )
            needed = sorted(set(needs))
            kinds = {"capabilities": "+".join(needed)} | {f"needs {name}": "yes" for name in needed}
            items.append(Item(identity, image, question, answer, kinds, identity))
        return items

    def judgement(self, row: dict[str, Any], number: int, path: Path) -> str:
        name = next((name for name in self.judgements if name in row), self.judgements[0])
        (value,) = fields(row, (name,), path, number)
        grades = value if isinstance(value, list) else [value]
        if not grades or any(
            isinstance(g, bool) or not isinstance(g, int | float) or not 0 <= g <= 1 for g in grades
        ):
            raise UserError(
                f"The grades of {row.get('id', number)} are not from 0 to 1", str(path), "mend the row"
            )
        return " ".join(str(grade) for grade in grades)

    def value(self, answer: str, item: Item) -> float | None:
        try:
            grades = [float(grade) for grade in answer.split()]
        except ValueError:
            return None
        return sum(grades) / len(grades) if grades and all(0 <= g <= 1 for g in grades) else None

    def counts_beside(self, answer: str, item: Item, value: float) -> Counts:
        needed = item.kinds["capabilities"].split("+")
        return {f"right {name}": value for name in needed} | {f"items {name}": 1.0 for name in needed}

    def metrics_beside(self, totals: Totals) -> dict[str, Array]:
        names = sorted(name.removeprefix("items ") for name in totals if name.startswith("items "))
        return {name: ratio(totals[f"right {name}"], totals[f"items {name}"]) for name in names}

    def behind(self, metric: str) -> Sequence[str]:
        return (f"items {metric}",)

    def truth_text(self, item: Item) -> str:
        text = str(item.truth)
        for mark, word in _SEPARATORS.items():
            text = text.replace(mark, word)
        return text

    def write_answers(self, folder: Path, items: Sequence[Item], predictions: Mapping[str, str]) -> Path:
        """A JSON object of id → answer."""
        given = {item.id: predictions[item.id] for item in items if item.id in predictions}
        path = answers_path(folder, self.name, ".json", complete=len(given) == len(items))
        write_json(path, given)
        return path
