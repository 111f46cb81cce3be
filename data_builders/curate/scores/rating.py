"""How good somebody finds a record: a number it carries, or a teacher's, asked for with our own prompt.

The prompt is in ``rating.txt`` beside this file, for anybody to edit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from mmtune.records import IMAGE_PLACEHOLDER, Record

_KEYS = ("rating", "score", "quality")
_NUMBER = re.compile(r"(?im)^\W*rating\W*\s*([1-9]|10)(?:\s*/\s*10)?\W*$")


def stored(record: Record) -> float:
    """The number under ``rating``, ``score`` or ``quality`` in the record's meta, NaN where there is none."""
    for key in _KEYS:
        value = record.meta.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    return math.nan


def prompt_of(record: Record) -> str:
    """The text that a teacher is asked to rate a record with; its images go along in their order."""
    template = (Path(__file__).parent / "rating.txt").read_text(encoding="utf-8")
    said = "\n".join(
        f"{turn.role}: {turn.text.replace(IMAGE_PLACEHOLDER, '').strip()}" for turn in record.turns
    )
    return template.replace("{conversation}", said)


def parse(reply: str) -> float:
    """The rating in a teacher's reply, its only line ``Rating: N`` (1 to 10); else NaN, never a guess."""
    found = {match[1] for match in _NUMBER.finditer(reply)}
    return float(found.pop()) if len(found) == 1 else math.nan


def rate(records: Sequence[Record], ask: Callable[[str, Record], str]) -> list[float]:
    """A teacher's rating of each record; NaN where its reply cannot be read.

    Args:
        records: to rate.
        ask: sends a prompt about a record's images and gives the reply.
    """
    return [parse(ask(prompt_of(record), record)) for record in records]
