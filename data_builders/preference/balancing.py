"""Pairs chosen so that the chosen answers are, on average, as long as the rejected ones.

A model that is trained on pairs learns their lengths before anything else where one side is longer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from data_builders.teachers.building import RECORDS
from data_builders.teachers.journal import write_rows
from mmtune.records import Preference, parse_preference

BALANCED, LENGTHS = "balanced.jsonl", "lengths.json"
MOST_OF_A_UNIT = 2
"""Pairs about one question that are kept.

Source: RLAIF-V.
"""
TOLERANCE = 0.01
"""Difference of the mean lengths, as a share of the rejected ones', that is as good as none."""


@dataclass(frozen=True)
class Lengths:
    """Mean numbers of words."""

    pairs: int
    chosen_words: float
    rejected_words: float


class Measured(NamedTuple):
    """What of a pair the balance depends on."""

    unit: str
    chosen_words: int
    rejected_words: int
    margin: float

    @classmethod
    def of(cls, pair: Preference) -> Measured:
        """A pair's unit is ``meta["unit"]``, else its own id."""
        unit = str(pair.meta.get("unit", pair.id))
        return cls(unit, len(pair.chosen.split()), len(pair.rejected.split()), pair.margin or 0.0)


def lengths(pairs: Sequence[Measured]) -> Lengths:
    """The mean lengths of both sides; zeros where there are no pairs."""
    count = max(1, len(pairs))
    chosen = sum(pair.chosen_words for pair in pairs) / count
    return Lengths(len(pairs), chosen, sum(pair.rejected_words for pair in pairs) / count)


def balanced(
    pairs: Sequence[Measured], most: int = MOST_OF_A_UNIT, tolerance: float = TOLERANCE
) -> list[int]:
    """The places of pairs whose mean lengths differ by ``tolerance`` at most, as far as that can be.

    First, of each unit those ``most`` pairs that bring the sum of differences so far nearest to zero, of
    equal ones those with the greater margin. Then, as long as the means still differ, the pair goes that
    brings them nearest to each other. Where all pairs lean to one side, the one that leans least is left.

    Args:
        pairs: in an order that decides ties.
        most: pairs of a unit that are kept.
        tolerance: share of the rejected answers' mean length.
    """
    units: dict[str, list[int]] = {}
    for place, pair in enumerate(pairs):
        units.setdefault(pair.unit, []).append(place)
    leans = [pair.chosen_words - pair.rejected_words for pair in pairs]
    kept: list[int] = []
    total = 0
    for places in units.values():
        left = list(places)
        for _ in range(min(most, len(left))):
            best = min(left, key=lambda place: (abs(total + leans[place]), -pairs[place].margin, place))
            left.remove(best)
            kept.append(best)
            total += leans[best]
    words = [pair.rejected_words for pair in pairs]
    chosen, before = sorted(kept), 0
    while len(chosen) != before:  # the last one dropped may have tipped the sum over
        before, chosen = len(chosen), _without_the_most_leaning(chosen, leans, words, tolerance)
    return chosen


def _without_the_most_leaning(
    kept: Sequence[int], leans: Sequence[int], rejected_words: Sequence[int], tolerance: float
) -> list[int]:
    """Drop pairs that lean the way the sum does, each time the one that leaves least of it."""
    total = sum(leans[place] for place in kept)
    words = sum(rejected_words[place] for place in kept)
    sign = 1 if total > 0 else -1
    leaning = sorted((p for p in kept if leans[p] * sign > 0), key=lambda p: (-leans[p] * sign, p))
    dropped: set[int] = set()

    def drop(place: int) -> None:
        nonlocal total, words
        dropped.add(place)
        total -= leans[place]
        words -= rejected_words[place]

    # The sum only falls, so one that is too great for it now is too great for ever.
    for place in leaning:
        if abs(total) <= tolerance * words or len(kept) - len(dropped) == 1:
            break
        if leans[place] * sign <= abs(total):
            drop(place)
    least = next((place for place in reversed(leaning) if place not in dropped), None)
    unmet = abs(total) > tolerance * words and len(kept) - len(dropped) > 1
    if least is not None and unmet and abs(total - leans[least]) < abs(total):
        drop(least)
    return [place for place in kept if place not in dropped]


def balance_file(folder: Path) -> Mapping[str, int]:
    """Write ``balanced.jsonl`` beside a build's ``records.jsonl``, and ``lengths.json`` with both means."""

    def rows() -> Iterator[dict[str, Any]]:
        with (folder / RECORDS).open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)

    pairs = [Measured.of(parse_preference(row, index)) for index, row in enumerate(rows())]
    places = balanced(pairs)
    chosen = set(places)
    write_rows(folder / BALANCED, (row for place, row in enumerate(rows()) if place in chosen))
    kept = [pairs[place] for place in places]
    told = {"all": asdict(lengths(pairs)), "balanced": asdict(lengths(kept))}
    write_rows(folder / LENGTHS, iter([told]))
    return {"balanced pairs": len(places)}
