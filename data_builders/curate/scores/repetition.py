"""Answers that go round in circles."""

from __future__ import annotations

from data_builders.curate.scores import answers_of
from mmtune.records import Record

_RUN = 4


def repetition(record: Record) -> float:
    """Share of the runs of four words in the answers that an earlier run of the same answer equals."""
    runs = repeated = 0
    for answer in answers_of(record):
        words = answer.casefold().split()
        found = [tuple(words[start : start + _RUN]) for start in range(len(words) - _RUN + 1)]
        runs += len(found)
        repeated += len(found) - len(set(found))
    return repeated / runs if runs else 0.0
