"""How long a record is."""

from __future__ import annotations

from data_builders.curate.scores import answers_of
from mmtune.records import Record


def words(record: Record) -> float:
    """Words of the answers."""
    return float(sum(len(answer.split()) for answer in answers_of(record)))


def turns(record: Record) -> float:
    """Turns of the conversation, questions and answers."""
    return float(len(record.turns))
