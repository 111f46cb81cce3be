"""How good somebody finds a record: a number it carries, or a teacher's, asked for with our own prompts.

The prompts are in text files beside this file, for anybody to edit.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from pathlib import Path

from data_builders.teachers.base import Request
from mmtune.records import IMAGE_PLACEHOLDER, Record

PROMPTS: dict[str, str] = {"rating": "rating.txt", "complexity": "complexity.txt"}
"""What a teacher can be asked to rate, and the prompt for it."""

_KEYS = ("rating", "score", "quality")
_NUMBER = re.compile(r"(?im)^\W*rating\W*\s*([1-9]|10)(?:\s*/\s*10)?\W*$")


def stored(record: Record) -> float:
    """The number under ``rating``, ``score`` or ``quality`` in the record's meta, NaN where there is none."""
    for key in _KEYS:
        value = record.meta.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    return math.nan


def prompt_of(record: Record, name: str = "rating") -> str:
    """The text that a teacher is asked to rate a record with; its images go along in their order."""
    said = "\n".join(
        f"{turn.role}: {turn.text.replace(IMAGE_PLACEHOLDER, '').strip()}" for turn in record.turns
    )
    return _template(name).replace("{conversation}", said)


def prompts_sha256(names: Sequence[str]) -> str:
    """Over the prompts of these ratings; a build is tied to it."""
    return hashlib.sha256("\0".join(_template(name) for name in names).encode()).hexdigest()[:16]


def _template(name: str) -> str:
    return (Path(__file__).parent / PROMPTS[name]).read_text(encoding="utf-8")


def parse(reply: str) -> float:
    """The rating in a teacher's reply, its only line ``Rating: N`` (1 to 10); else NaN, never a guess."""
    found = {match[1] for match in _NUMBER.finditer(reply)}
    return float(found.pop()) if len(found) == 1 else math.nan


def by_rule(request: Request) -> str:
    """A rating without a model, by the length of the answers: for tests and dry runs, and nothing else."""
    record: Record = request.facts["record"]
    words = sum(len(turn.text.split()) for turn in record.turns if turn.role == "assistant")
    return f"No fault was looked for.\nRating: {min(10, 1 + words // 4)}"
