"""Is there such a thing in the image? Asked of every class equally often, with yes and no equally often."""

from __future__ import annotations

from data_builders.draws import Draws
from data_builders.miniworld.questions.base import Arguments, Family, Solution
from data_builders.miniworld.vocabulary import a
from data_builders.scenes import Scene

# The template of the POPE benchmark.
POPE_TEMPLATE = "Is there {thing} in the image?"


def _candidates(scene: Scene, draws: Draws) -> list[Arguments]:
    return [{"class": name} for name in sorted(scene.exhaustive_classes)]


def _solve(scene: Scene, arguments: Arguments) -> Solution | None:
    name = arguments["class"]
    if name not in scene.exhaustive_classes:
        return None
    found = tuple(item.id for item in scene.of_class(name))
    return Solution("yes" if found else "no", found, {"thing": a(name)}, name, frozenset({("class", name)}))


FAMILY = Family(
    name="existence",
    phrasings={
        "ask": (
            POPE_TEMPLATE,
            "Is there {thing} in the picture?",
            "Can you see {thing}?",
            "Does the image show {thing}?",
        )
    },
    candidates=_candidates,
    solve=_solve,
    fair=True,
    presence=True,
)
