"""Which questions of benchmarks the turns of a row ask, exactly or nearly."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from data_builders.curate import minhash, text
from data_builders.curate.benchmark_items import BenchmarkItem
from data_builders.problems import Problem, problem_of
from data_builders.rows import Row
from mmtune.errors import RecordError


class Questions:
    """Which items ask a question, exactly or nearly."""

    def __init__(self, items: Sequence[BenchmarkItem], similarity: float) -> None:
        self._similarity = similarity
        self._places: dict[str, list[int]] = {}
        for place, item in enumerate(items):
            asked = text.question_of(item.question)
            if asked:
                self._places.setdefault(asked, []).append(place)
        self._texts = list(self._places)
        near = similarity < 1 and self._texts
        self._signatures = np.stack([minhash.signature(asked) for asked in self._texts]) if near else None

    def find(self, asked: str) -> list[int]:
        """Places of the items that ask this normalised question."""
        if not asked:
            return []
        if self._signatures is None:
            return self._places.get(asked, [])
        alike = (self._signatures == minhash.signature(asked)).mean(axis=1) >= self._similarity
        near = {self._texts[index] for index in np.flatnonzero(alike)} | {asked}
        return sorted(place for one in near for place in self._places.get(one, ()))


Read = tuple[int, str, list[str], list[tuple[int, int]], int | None]
"""Row, id, images, (item, turn) of each question that the row shares with a benchmark, its wordless turn."""


def read_block(block: list[Row], questions: str) -> list[Read | Problem]:
    """Read rows and see what they share.

    Args:
        block: rows of the file.
        questions: file with a pickled ``Questions``, which a worker opens once.
    """
    asked: Questions = _given(questions)
    return [_read(row, asked) for row in block]


@lru_cache(1)
def _given(file: str) -> Any:
    return pickle.loads(Path(file).read_bytes())


def _read(row: Row, asked: Questions) -> Read | Problem:
    try:
        record = row.record()
    except RecordError as error:
        return problem_of(error, row.number)
    said = [
        (number, text.question_of(turn.text))
        for number, turn in enumerate(record.turns)
        if turn.role == "user"
    ]
    turns = [(place, number) for number, question in said for place in asked.find(question)]
    blank = next((number for number, question in said if not question), None)
    return row.number, record.id, [image.path for image in record.images if not image.is_video], turns, blank
