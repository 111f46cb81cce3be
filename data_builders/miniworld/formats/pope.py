"""POPE: polling questions about objects, with absent ones drawn in three ways.

Source: Li et al., Evaluating Object Hallucination in Large Vision-Language Models, and its released script.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from data_builders.draws import Draws
from data_builders.miniworld.questions.existence import POPE_TEMPLATE
from data_builders.miniworld.vocabulary import CLASSES, a

SPLITS = ("random", "popular", "adversarial")
PER_ANSWER = 3

_STREAM = 11

Row = dict[str, Any]


class ObjectStatistics:
    """How often classes are there, and there together, over a set of images."""

    def __init__(self, present: Sequence[frozenset[str]]) -> None:
        self.images: Counter[str] = Counter(name for names in present for name in names)
        self.together: Counter[tuple[str, str]] = Counter()
        for names in present:
            for one, two in combinations(sorted(names), 2):
                self.together[one, two] += 1
                self.together[two, one] += 1

    def by_frequency(self) -> list[str]:
        """The classes, the most frequent first."""
        return sorted(self.images, key=lambda name: (-self.images[name], name))

    def by_company(self, name: str) -> list[str]:
        """The other classes, first the one that is most often in an image with ``name``."""
        others = [other for other in self.images if other != name]
        return sorted(others, key=lambda other: (-self.together[name, other], other))


def pope_rows(present: Mapping[str, frozenset[str]], split: str, seed: int) -> list[Row]:
    """The questions of one POPE split.

    As in POPE, an image is taken if at least three classes are there; three of them give the answer yes,
    three absent ones the answer no, in turns. The absent classes are any (random), the most frequent of
    all (popular), or those that most often accompany the class asked about before (adversarial). The
    images and the questions with the answer yes are the same in all splits. Classes that no image has are
    asked about only where a few images have too few classes between them.

    Args:
        present: image file -> the classes in it.
        split: one of ``SPLITS``.
        seed: of the choice of present classes, and of absent ones in the random split.
    """
    statistics = ObjectStatistics(list(present.values()))
    rows: list[Row] = []
    for number, (image, names) in enumerate(present.items()):
        if len(names) < PER_ANSWER:
            continue
        asked = Draws(seed, _STREAM, 0, number).sample(sorted(names), PER_ANSWER)
        absent = _absent(asked, names, split, statistics, Draws(seed, _STREAM, 1, number))
        for there, not_there in zip(asked, absent, strict=True):
            for name, label in ((there, "yes"), (not_there, "no")):
                text = POPE_TEMPLATE.format(thing=a(name))
                rows.append({"question_id": len(rows) + 1, "image": image, "text": text, "label": label})
    return rows


def _absent(
    asked: Sequence[str], present: frozenset[str], split: str, statistics: ObjectStatistics, draws: Draws
) -> list[str]:
    candidates = [name for name in statistics.by_frequency() if name not in present]
    if len(candidates) < len(asked):
        candidates += [name for name in CLASSES if name not in statistics.images]
    if split == "random":
        return draws.sample(sorted(candidates), len(asked))
    if split == "popular":
        return candidates[: len(asked)]
    chosen: list[str] = []
    for name in asked:
        company = [*statistics.by_company(name), *candidates]
        chosen.append(next(other for other in company if other not in present and other not in chosen))
    return chosen
