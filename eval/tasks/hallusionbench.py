"""HallusionBench: the same question about edited figures, marked by a judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.answer_files import add_answer
from eval.json_files import read_rows
from eval.metrics.hallusion import UNREAD, Verdict, judgement_of, parse_verdict, yes_bias
from eval.metrics.intervals import Array, Totals, ratio
from eval.row_files import read_rows_of_any
from eval.tasks.base import Counts, Item
from eval.tasks.judged import JudgedTask
from eval.tasks.official_files import fields
from eval.tasks.published import SEE_PAGE, Published, github
from mmtune.errors import UserError

_KEYS = ("category", "subcategory", "set_id", "figure_id", "question_id")
_GROUPS = {"qAcc": "pairs", "fAcc": "figures", "easy_aAcc": "easy", "hard_aAcc": "hard"}
"""Metric → the groups of items that it counts."""
_GROUPED: Sequence[tuple[str, Callable[[Verdict], bool], Callable[[Verdict], Hashable]]] = (
    ("pairs", lambda v: True, lambda v: v.pair),
    ("easy", lambda v: v.visual_input != "2", lambda v: v.pair),
    ("hard", lambda v: v.visual_input == "2", lambda v: v.pair),
    ("figures", lambda v: not (v.category == "VS" and v.figure_id == "0"), lambda v: v.figure),
)
"""Name of a sort of groups, which verdicts are in one, and in which."""
_CHECK = "_gpt_check"
_ANSWER = "model_prediction"


class HallusionBench(JudgedTask):
    """``HallusionBench.json``; judgements are the same rows with the judge's verdict in a field that ends in
    ``_gpt_check`` (0 wrong, 1 right, 2 unclear), or with its reply under ``judgement``.

    ``accuracy`` is the official aAcc, ``qAcc`` and ``fAcc`` ask for all figures of a question and all
    questions of a figure; ``yes_diff`` and ``yes_fp`` tell the bias towards yes.

    Source: utils.py and evaluation.py of tianyi-lab/HallusionBench.
    """

    title = "HallusionBench: edited figures, marked by a judge"
    published = Published(
        SEE_PAGE,
        "1,129",
        "346 (from the repository's page)",
        SEE_PAGE,
        "https://github.com/tianyi-lab/HallusionBench",
        (github("tianyi-lab/HallusionBench", "HallusionBench.json"),),
        "annotations={folder}/HallusionBench.json,images=FOLDER",
    )
    default_prompt = "bare"
    answers_as_rows = False
    not_shares = frozenset({"yes_diff"})

    def load(self) -> list[Item]:
        path = self.annotations
        items = []
        for number, row in enumerate(read_rows(path), start=1):
            fields(row, (*_KEYS, "visual_input", "question", "gt_answer"), path, number)
            shown = str(row["visual_input"]) != "0"
            place = f"{row['category']}/{row['subcategory']}/{row['set_id']}_{row['figure_id']}.png"
            kinds = {"category": str(row["category"]), "subcategory": str(row["subcategory"])}
            identity = _identity(row)
            items.append(Item(identity, place if shown else "", row["question"], row, kinds, identity))
        if len({item.id for item in items}) < len(items):
            raise UserError("A question stands in the file twice", str(path), "remove one of the rows")
        verdicts = [_verdict("0", item) for item in items]
        self._sizes = {name: Counter(key(v) for v in verdicts if keep(v)) for name, keep, key in _GROUPED}
        return items

    def value(self, answer: str, item: Item) -> float | None:
        return float(_verdict(answer, item).correct)

    def score_submitted(self, answer: str, item: Item) -> Counts:
        """What the official rule gives, and whether it rests on a verdict that was read."""
        return super().score_submitted(answer, item) | {"unparsed": float(answer == UNREAD)}

    def joint(self, answers: Mapping[str, str], items: Sequence[Item]) -> dict[str, Counts]:
        """Questions right over all figures and figures right over all questions; each is added to its first
        item. A group of which an item is left out is left out, since fewer are easier to get right."""
        verdicts = [_verdict(answers.get(item.id, "0"), item) for item in items]
        found: dict[str, Counts] = {item.id: {} for item in items}
        for name, keep, key in _GROUPED:
            groups: dict[Hashable, list[int]] = {}
            for place, verdict in enumerate(verdicts):
                if keep(verdict):
                    groups.setdefault(key(verdict), []).append(place)
            for group, places in groups.items():
                if len(places) < self._sizes[name][group]:
                    continue
                right = all(verdicts[place].correct for place in places)
                found[items[places[0]].id] |= {name: 1.0, f"{name}_right": float(right)}
        return found

    def whole(self, answers: Mapping[str, str], items: Sequence[Item]) -> dict[str, float | None]:
        verdicts = [_verdict(answers.get(item.id, "0"), item) for item in items]
        bias = yes_bias(verdicts)
        return {"yes_diff": bias["diff"], "yes_fp": bias["fp"]}

    def metrics_beside(self, totals: Totals) -> dict[str, Array]:
        return {
            name: ratio(totals[f"{group}_right"], totals[group])
            for name, group in _GROUPS.items()
            if group in totals
        }

    def behind(self, metric: str) -> Sequence[str]:
        return (_GROUPS[metric],) if metric in _GROUPS else ()

    def truth_text(self, item: Item) -> str:
        return str(
            item.truth.get("gt_answer_details") or ("yes" if str(item.truth["gt_answer"]) == "1" else "no")
        )

    def answer_row(self, item: Item, answer: str) -> dict[str, Any]:
        """The benchmark's row with the answer, as the official script takes it."""
        return {**item.truth, _ANSWER: answer}

    def read_model_answers(self, path: Path, items: Sequence[Item]) -> dict[str, str]:
        """From the benchmark's rows with ``model_prediction``, or a file with ids."""
        rows = read_rows_of_any(path)
        if not rows or _ANSWER not in rows[0]:
            return super().read_model_answers(path, items)
        answers: dict[str, str] = {}
        for number, row in enumerate(rows, start=1):
            (text,) = fields(row, (_ANSWER,), path, number)
            add_answer(answers, self.judged_id(row, number, path, items), text, path)
        return answers

    def judged_id(self, row: dict[str, Any], number: int, path: Path, items: Sequence[Item]) -> str:
        return _identity(dict(zip(_KEYS, fields(row, _KEYS, path, number), strict=True)))

    def judgement(self, row: dict[str, Any], number: int, path: Path) -> str:
        """``0``, ``1`` or ``2``, or that none was read."""
        checked = [name for name in row if name.endswith(_CHECK)]
        if len(checked) > 1:
            raise UserError(
                f"Row {number} has several verdicts: {', '.join(checked)}",
                str(path),
                "keep the one to be scored",
            )
        if not checked:
            return judgement_of(super().judgement(row, number, path))
        if str(row[checked[0]]) not in ("0", "1", "2"):
            raise UserError(f"The verdict {row[checked[0]]!r} of row {number} is none of 0, 1, 2", str(path))
        return UNREAD if row.get(UNREAD) is True else str(row[checked[0]])


def _identity(row: Mapping[str, Any]) -> str:
    return "_".join(str(row[key]) for key in _KEYS)


def _verdict(answer: str, item: Item) -> Verdict:
    verdict = int(answer) if answer in ("0", "1", "2") else parse_verdict(answer)
    row = item.truth
    keys = {key: str(row[key]) for key in (*_KEYS, "visual_input", "gt_answer")}
    return Verdict(**keys, verdict=verdict, same=str(row.get("same")) == "1")  # type: ignore[arg-type]
