"""Answers in another language than their question."""

from __future__ import annotations

from data_builders.curate.language import UNDECIDED, language_of
from data_builders.curate.scores import answers_of
from mmtune.records import IMAGE_PLACEHOLDER, Record


def foreign(record: Record) -> float:
    """1 where both languages are known and differ, else 0."""
    asked = " ".join(turn.text for turn in record.turns if turn.role == "user")
    first = language_of(asked.replace(IMAGE_PLACEHOLDER, " "))
    second = language_of(" ".join(answers_of(record)))
    return float(UNDECIDED not in (first, second) and first != second)
