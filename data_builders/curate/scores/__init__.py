"""Numbers about one record each, one file a score; adding one is a new file and a line here."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from mmtune.errors import unknown
from mmtune.records import Record


@dataclass(frozen=True)
class Score:
    """One number about a record."""

    place: str
    """"module:function" in this folder."""
    says: str
    """What the number means."""


SCORES: dict[str, Score] = {
    "length": Score("length:words", "words of the answers"),
    "turns": Score("length:turns", "turns of the conversation"),
    "refusal": Score("refusal:refusals", "share of the answers that refuse or speak of being a program"),
    "repetition": Score(
        "repetition:repetition", "share of the answers' words that repeat four words running"
    ),
    "foreign": Score("foreign:foreign", "1 where question and answer are in two languages, else 0"),
    "rating": Score("rating:stored", "the number in the record's own 'rating' or 'score', if it has one"),
}
"""Scores that need nothing but the record."""


def get_score(name: str) -> Callable[[Record], float]:
    """The function of a score; it gives NaN for a record that has none.

    Raises:
        UserError: there is no such score.
    """
    if name not in SCORES:
        raise unknown("score", name, SCORES, "--score")
    module, function = SCORES[name].place.split(":")
    found: Callable[[Record], float] = getattr(importlib.import_module(f"{__name__}.{module}"), function)
    return found


def answers_of(record: Record) -> list[str]:
    """What the assistant says, turn by turn."""
    return [turn.text for turn in record.turns if turn.role == "assistant"]


__all__ = ["SCORES", "Score", "answers_of", "get_score"]
