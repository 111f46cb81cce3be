"""ChartQA: questions about charts, numbers may be off by five per cent."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval.answer_files import add_answer
from eval.json_files import read_rows
from eval.metrics.intervals import Array, Totals, ratio
from eval.metrics.relaxed import relaxed_accuracy
from eval.row_files import read_rows_of_any
from eval.tasks.accuracy import AccuracyTask
from eval.tasks.base import Counts, Item
from eval.tasks.official_files import fields
from eval.tasks.published import SEE_PAGE, Published
from mmtune.errors import UserError

_SOURCE = re.compile(r"human|augmented")


class ChartQA(AccuracyTask):
    """``test_human.json`` and ``test_augmented.json``: rows of {imgname, query, label}, or a folder of both.

    The rows have no ids; answers go by ``imgname`` and ``query``, or by an id that counts the rows of a file
    from 0, as ``human/12``. ``relaxed_fixed`` reads 1,000 as a number and leaves out outer space and stops.

    Source: relaxed_correctness of google-research/pix2struct; Masry et al., ChartQA.
    """

    title = "ChartQA: charts, five per cent of tolerance"
    published = Published(
        SEE_PAGE,
        "2 x 1,250 (test)",
        "1,509",
        SEE_PAGE,
        "https://github.com/vis-nlp/ChartQA",
    )
    primary = "relaxed"
    answer_texts = ("answer", "prediction", "text", "response")

    def load(self) -> list[Item]:
        items = []
        for path in self._files():
            source = _SOURCE.search(path.stem)
            name = source.group() if source else path.stem
            for number, row in enumerate(read_rows(path)):
                image, query, label = fields(row, ("imgname", "query", "label"), path, number + 1)
                identity = f"{name}/{number}"
                items.append(Item(identity, str(image), query, str(label), {"source": name}, identity))
        return items

    def read_answers(self, path: Path, items: Sequence[Item]) -> dict[str, str]:
        """By id, or by image and query where the rows have no id."""
        rows = read_rows_of_any(path)
        if not rows or "imgname" not in rows[0]:
            return super().read_answers(path, items)
        waiting: dict[tuple[str, str], list[str]] = {}
        for item in items:
            waiting.setdefault((item.image, item.question), []).append(item.id)
        answers: dict[str, str] = {}
        for number, row in enumerate(rows, start=1):
            image, query = fields(row, ("imgname", "query"), path, number)
            text = next((row[name] for name in self.answer_texts if name in row), None)
            # A question that the benchmark asks twice takes its answers in the order of the rows.
            places = waiting.get((str(image), str(query)))
            identity = places.pop(0) if places else f"{image}: {query}"
            add_answer(answers, identity, text, path)
        return answers

    def value(self, answer: str, item: Item) -> float | None:
        return float(relaxed_accuracy(answer, item.truth))

    def counts_beside(self, answer: str, item: Item, value: float) -> Counts:
        return {"fixed": float(bool(answer) and relaxed_accuracy(answer, item.truth, mode="fixed"))}

    def metrics_beside(self, totals: Totals) -> dict[str, Array]:
        return {"relaxed_fixed": ratio(totals["fixed"], totals["items"])}

    def answer_row(self, item: Item, answer: str) -> dict[str, Any]:
        row = {"question_id": item.official_id, "imgname": item.image, "query": item.question}
        return row | {"answer": answer}

    def _files(self) -> list[Path]:
        path = self.annotations
        if not path.is_dir():
            return [path]
        files = sorted(file for file in path.glob("*.json") if _SOURCE.search(file.stem))
        if not files:
            raise UserError(
                "There is no *_human.json or *_augmented.json here", str(path), "give the file itself"
            )
        return files
