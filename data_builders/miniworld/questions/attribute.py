"""What colour or size is it? Asked of objects that can be named without giving the answer away."""

from __future__ import annotations

from collections.abc import Callable

from data_builders.draws import Draws
from data_builders.miniworld.describing import color_of, facts_named, refer, size_of
from data_builders.miniworld.questions.base import Arguments, Family, Solution
from data_builders.scenes import Scene, SceneObject


def _attribute_family(
    name: str, value_of: Callable[[SceneObject], str | None], naming: str, phrasings: tuple[str, ...]
) -> Family:
    def candidates(scene: Scene, draws: Draws) -> list[Arguments]:
        return [{"object": item.id} for item in scene.objects]

    def solve(scene: Scene, arguments: Arguments) -> Solution | None:
        item = scene.object(arguments["object"])
        value, thing = value_of(item), refer(scene, item, using=(naming,))
        if value is None or thing is None:
            return None
        asks = frozenset({(name, item.id)})
        tells = asks | facts_named(scene, item, thing)
        return Solution(value, (item.id,), {"thing": thing}, item.name, asks, tells)

    return Family(name, {"ask": phrasings}, candidates, solve)


COLOR = _attribute_family(
    "color",
    color_of,
    "size",
    ("What color is {thing}?", "What is the color of {thing}?", "Which color does {thing} have?"),
)
SIZE = _attribute_family(
    "size",
    size_of,
    "color",
    ("Is {thing} small or large?", "What size is {thing}?", "Is {thing} large or small?"),
)
