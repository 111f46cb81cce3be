"""AMBER: hallucination by yes/no questions, and in descriptions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from eval.json_files import read_json, read_rows, read_text
from eval.metrics.amber import (
    DIMENSIONS,
    Described,
    amber_counts,
    amber_scores,
    describe_counts,
)
from eval.metrics.intervals import Array, Totals, ratio
from eval.metrics.singular import singular_candidates
from eval.metrics.word_tokens import word_tokens
from eval.tasks.accuracy import AccuracyTask
from eval.tasks.base import Counts, Item
from eval.tasks.official_files import fields
from eval.tasks.published import SEE_PAGE, Published, github
from mmtune.errors import UserError

_FILES = ("annotations.json", "query/query_all.json", "relation.json", "safe_words.txt")
_GENERATIVE = "generative"
_COUNTED = ("right", "questions", "no_right", "no_true", "no_said")
_TYPES = tuple(dict.fromkeys(kind for kinds in DIMENSIONS.values() for kind in kinds))


_DIMENSION_TYPES = {name: [k for k in kinds if k != "relation"] for name, kinds in DIMENSIONS.items()}
"""Both kinds of relation go by one name."""


class Amber(AccuracyTask):
    """The yes/no questions of ``annotations.json``; ``questions=FILE`` (query_*.json) holds their texts.

    Only "Yes" and "No", so written, are answers, and No is the positive class. ``f1`` and the others are
    computed and rounded as the official script does, for each dimension as well; a reply that is neither is
    ``unparsed`` and wrong.

    Source: inference.py of junyangwang0410/AMBER.
    """

    needs = ("annotations", "questions")
    title = "AMBER by questions: existence, attributes, relations"
    published = Published(
        SEE_PAGE,
        "14,216 questions",
        "1,004 (from the repository's page)",
        SEE_PAGE,
        "https://github.com/junyangwang0410/AMBER",
        tuple(github("junyangwang0410/AMBER", f"data/{name}", "master") for name in _FILES),
        "annotations={folder}/annotations.json,questions={folder}/query_all.json,images=FOLDER",
    )
    primary = "accuracy"
    answers_as_rows = False
    answer_ids = ("id", "question_id")
    answer_texts = ("response", "answer", "prediction", "text")

    def load(self) -> list[Item]:
        _check_questions(self)
        return self.load_truth()

    def load_truth(self) -> list[Item]:
        """Items without their questions where there is no file of these."""
        return [
            Item(str(row["id"]), image, query, row["truth"], _kind(row), row["id"])
            for row, image, query in _rows(self)
            if row["type"] != _GENERATIVE
        ]

    def submitted(self, prediction: str) -> str:
        """The first word where it is yes or no in whatever case, as the script wants it."""
        words = prediction.strip().split()
        first = words[0].strip(".,!").lower() if words else ""
        return first.capitalize() if first in ("yes", "no") else prediction

    def value(self, answer: str, item: Item) -> float | None:
        counts = amber_counts(answer, item.truth)
        return counts["right"] if answer in ("Yes", "No") else None

    def counts_beside(self, answer: str, item: Item, value: float) -> Counts:
        kind = item.kinds["type"]
        return {f"{name} {kind}": count for name, count in amber_counts(answer, item.truth).items()}

    def metrics_beside(self, totals: Totals) -> dict[str, Array]:
        there = [kind for kind in _TYPES if f"questions {kind}" in totals]
        metrics = _scores(totals, [there], "")
        for dimension, kinds in _DIMENSION_TYPES.items():
            if set(kinds) & set(there):
                metrics |= _scores(totals, [[kind] for kind in kinds], f"{dimension}_")
        return metrics

    def behind(self, metric: str) -> Sequence[str]:
        dimension = metric.partition("_")[0]
        return [f"questions {kind}" for kind in _DIMENSION_TYPES.get(dimension, ())]


class AmberDescriptions(AccuracyTask):
    """The descriptions of ``annotations.json``, with ``relation.json`` and ``safe_words.txt`` beside it.

    The official script tags nouns with NLTK and compares words by spaCy's large vectors. Here every word of
    the benchmark's vocabulary counts as a noun and words are alike where they are equal or associated in
    ``relation.json``, so that these figures are close to, but not, the official ones.

    Source: as ``Amber``.
    """

    needs = Amber.needs
    title = "AMBER by descriptions: CHAIR, cover, cognition (without spaCy: near the official figures)"
    published = replace(Amber.published, items="1,004 descriptions")
    primary = "chair"
    lower_is_better = frozenset({"chair", "hal", "cog"})
    asks_questions = False
    default_prompt = "bare"
    default_max_new_tokens = 256
    answers_as_rows = False
    answer_ids = Amber.answer_ids
    answer_texts = Amber.answer_texts

    def load(self) -> list[Item]:
        _check_questions(self)
        return self.load_truth()

    def load_truth(self) -> list[Item]:
        """Items without their images where there is no file of these."""
        path = self.annotations.parent / "relation.json"
        value = read_json(path)
        if not isinstance(value, dict):
            raise UserError("The file is no object of words", str(path), "give AMBER's relation.json")
        self._associations = cast("dict[str, list[str]]", value)
        self._vocabulary = {*value, *(word for words in value.values() for word in words)}
        safe = self.annotations.parent / "safe_words.txt"
        self._safe = frozenset(read_text(safe).split("\n")) if safe.exists() else frozenset()
        return [
            Item(str(row["id"]), image, query or "Describe this image.", row, {}, row["id"])
            for row, image, query in _rows(self)
            if row["type"] == _GENERATIVE
        ]

    def value(self, answer: str, item: Item) -> float | None:
        return float(self._described(answer, item).hallucinated == 0)

    def unanswered(self, item: Item) -> Counts:
        """A description that was never written hallucinates nothing, so it cannot count as wrong."""
        raise UserError(
            f"Image {item.id} has no description, and none cannot count as a wrong one",
            fix="leave it out with --missing skip",
        )

    def counts_beside(self, answer: str, item: Item, value: float) -> Counts:
        found = self._described(answer, item)
        return {name: float(getattr(found, name)) for name in Described.__dataclass_fields__}

    def aggregate(self, totals: Totals) -> dict[str, Array]:
        return {
            "chair": ratio(totals["hallucinated"], totals["nouns"]),
            "cover": ratio(totals["covered"], totals["there"]),
            "hal": 1 - ratio(totals["right"], totals["items"]),
            "cog": ratio(totals["imagined"], totals["likely"]),
        }

    def truth_text(self, item: Item) -> str:
        return ", ".join(item.truth["truth"])

    def _described(self, answer: str, item: Item) -> Described:
        return describe_counts(
            self._nouns(answer), item.truth["truth"], item.truth["hallu"], self._associations, self._safe
        )

    def _nouns(self, text: str) -> list[str]:
        nouns = []
        for word in word_tokens(text.lower()):
            nouns += [form for form in singular_candidates(word) if form in self._vocabulary][:1]
        return nouns


def _check_questions(task: AccuracyTask) -> None:
    """The annotations name neither images nor questions: without the query file nothing could be asked.

    Raises:
        UserError: if it is not given.
    """
    if not task.config.questions:
        raise UserError(f"Task {task.name} has no question file", fix="give query_*.json with questions=FILE")


def _rows(task: AccuracyTask) -> list[tuple[Mapping[str, Any], str, str]]:
    """Annotations with image and query, which stand in the query file."""
    path = task.annotations
    queries: dict[Any, Mapping[str, Any]] = {}
    if task.config.questions:
        asked = Path(task.config.questions)
        for number, row in enumerate(read_rows(asked), start=1):
            (identity, _, _) = fields(row, ("id", "image", "query"), asked, number)
            queries[identity] = row
    found: list[tuple[Mapping[str, Any], str, str]] = []
    for number, row in enumerate(read_rows(path), start=1):
        identity, _, truth = fields(row, ("id", "type", "truth"), path, number)
        if row["type"] != _GENERATIVE and truth not in ("yes", "no"):
            raise UserError(
                f"The truth of {identity} is {truth!r}, neither yes nor no", str(path), "mend the row"
            )
        query = queries.get(identity, {})
        found.append((row, str(query.get("image", "")), str(query.get("query", ""))))
    return found


def _kind(row: Mapping[str, Any]) -> dict[str, str]:
    return {"type": "discriminative-relation" if row["type"] == "relation" else str(row["type"])}


def _scores(totals: Totals, groups: Sequence[Sequence[str]], prefix: str) -> dict[str, Array]:
    """The script's rounded scores, as shares, for each draw.

    Args:
        totals: sums of ``amber_counts``, by name and type of annotation.
        groups: types whose counts the script adds up before it starts the denominators.
        prefix: of the metrics' names.
    """
    draws = len(totals["items"])
    rows = []
    for draw in range(draws):
        counts = [
            {
                name: sum(
                    float(totals[f"{name} {kind}"][draw]) for kind in kinds if f"{name} {kind}" in totals
                )
                for name in _COUNTED
            }
            for kinds in groups
        ]
        scores = amber_scores(counts, existence=prefix == "existence_")
        rows.append({name: _defined(name, value, counts) for name, value in scores.items()})
    return {f"{prefix}{name.lower()}": np.array([row[name] for row in rows]) / 100 for name in rows[0]}


def _defined(name: str, value: float, counts: Sequence[Mapping[str, float]]) -> float:
    """The score, or NaN where it has nothing to stand on; the script gives 0 there."""
    needed = {
        "Accuracy": ("questions",),
        "Precision": ("no_said",),
        "Recall": ("no_true",),
        "F1": ("no_said", "no_true"),
    }[name]
    return value if all(any(of_type[count] for of_type in counts) for count in needed) else math.nan
