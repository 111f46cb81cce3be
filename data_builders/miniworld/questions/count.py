"""How many are there? From 0 to 4 of one class, or of all objects together."""

from __future__ import annotations

from data_builders.draws import Draws
from data_builders.miniworld.questions.base import Arguments, Family, Solution
from data_builders.miniworld.vocabulary import WORD, plural
from data_builders.scenes import Scene

MOST = 4


def _candidates(scene: Scene, draws: Draws) -> list[Arguments]:
    if draws.chance(0.1):
        return [{"form": "all"}]
    # There is never more than one word, so its number could be guessed from the question.
    return [{"form": "class", "class": name} for name in sorted(scene.exhaustive_classes - {WORD})]


def _solve(scene: Scene, arguments: Arguments) -> Solution | None:
    if arguments["form"] == "all":
        everything = tuple(item.id for item in scene.objects)
        return Solution(str(len(everything)), everything, {}, "objects", frozenset({("number", "objects")}))
    name = arguments["class"]
    found = tuple(item.id for item in scene.of_class(name))
    if name not in scene.exhaustive_classes or len(found) > MOST:
        return None
    return Solution(str(len(found)), found, {"things": plural(name)}, name, frozenset({("class", name)}))


FAMILY = Family(
    name="count",
    phrasings={
        "class": (
            "How many {things} are there?",
            "How many {things} are in the picture?",
            "What is the number of {things}?",
        ),
        "all": (
            "How many objects are there?",
            "How many objects are in the picture?",
            "What is the number of objects?",
        ),
    },
    candidates=_candidates,
    solve=_solve,
    presence=True,
)
