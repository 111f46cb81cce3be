"""Answers that refuse, or that speak of the teacher instead of the image.

The phrases are in ``refusals.txt`` beside this file, one a line, for anybody to edit.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from data_builders.curate.scores import answers_of
from mmtune.records import Record


def refusals(record: Record) -> float:
    """Share of the answers with one of the phrases."""
    answers = answers_of(record)
    return sum(bool(_phrases().search(_plain(answer))) for answer in answers) / len(answers)


@cache
def _phrases() -> re.Pattern[str]:
    lines = (Path(__file__).parent / "refusals.txt").read_text(encoding="utf-8").splitlines()
    wanted = [_plain(line) for line in lines if line.strip() and not line.startswith("#")]
    return re.compile("|".join(rf"\b{re.escape(one)}\b" for one in wanted))


def _plain(text: str) -> str:
    return " ".join(text.casefold().replace("\u2019", "'").split())
