"""Which is larger, which is smaller, and of which are there more?"""

from __future__ import annotations

from itertools import permutations

from data_builders.draws import Draws
from data_builders.miniworld.describing import facts_named, refer, size_of
from data_builders.miniworld.questions.base import Arguments, Family, Solution
from data_builders.miniworld.vocabulary import plural
from data_builders.scenes import Scene


def _number_candidates(scene: Scene, draws: Draws) -> list[Arguments]:
    present = sorted({item.name for item in scene.objects} & scene.exhaustive_classes)
    return [{"first": one, "second": two} for one, two in permutations(present, 2)]


def _size_candidates(scene: Scene, draws: Draws) -> list[Arguments]:
    form = draws.choice(("larger", "smaller"))
    pairs = permutations([item.id for item in scene.objects], 2)
    return [{"form": form, "first": one, "second": two} for one, two in pairs]


def _solve_number(scene: Scene, arguments: Arguments) -> Solution | None:
    names = arguments["first"], arguments["second"]
    if not scene.exhaustive_classes.issuperset(names):
        return None
    first, second = (scene.of_class(name) for name in names)
    if len(first) == len(second):
        return None
    evidence = tuple(item.id for item in (*first, *second))
    words = {"first": plural(names[0]), "second": plural(names[1])}
    answer = "yes" if len(first) > len(second) else "no"
    # There are more often more stars than flags than the other way round, and the question names both.
    tilt = names if answer == "yes" else names[::-1]
    asks = frozenset({("class", names[0]), ("class", names[1])})
    return Solution(answer, evidence, words, " ".join(sorted(names)), asks, tilt=tilt)


def _solve_size(scene: Scene, arguments: Arguments) -> Solution | None:
    first, second = scene.object(arguments["first"]), scene.object(arguments["second"])
    one, two = refer(scene, first, using=("color",)), refer(scene, second, using=("color",))
    sizes = size_of(first), size_of(second)
    if one is None or two is None or None in sizes or sizes[0] == sizes[1] or first.name == second.name:
        return None
    wanted = "large" if arguments["form"] == "larger" else "small"
    answer = first if sizes[0] == wanted else second
    words = {"first": one, "second": two}
    pair = " ".join(sorted((first.name, second.name)))
    asks = frozenset({("size", first.id), ("size", second.id)})
    tells = asks | facts_named(scene, first, one) | facts_named(scene, second, two)
    return Solution(answer.name, (first.id, second.id), words, pair, asks, tells)


SIZE = Family(
    name="size_comparison",
    phrasings={
        "larger": (
            "Which is larger, {first} or {second}?",
            "Which is bigger, {first} or {second}?",
            "What is larger, {first} or {second}?",
        ),
        "smaller": (
            "Which is smaller, {first} or {second}?",
            "What is smaller, {first} or {second}?",
            "Which one is smaller, {first} or {second}?",
        ),
    },
    candidates=_size_candidates,
    solve=_solve_size,
)
NUMBER = Family(
    name="number_comparison",
    phrasings={
        "ask": (
            "Are there more {first} than {second}?",
            "Does the picture show more {first} than {second}?",
            "Are {first} more numerous than {second}?",
        ),
    },
    candidates=_number_candidates,
    solve=_solve_number,
    fair=True,
    presence=True,
)
