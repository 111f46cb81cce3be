"""Say what is in the picture, briefly or in full."""

from __future__ import annotations

from collections.abc import Callable

from data_builders.draws import Draws
from data_builders.miniworld.captions import long_description, short_caption
from data_builders.miniworld.questions.base import Arguments, Family, Solution
from data_builders.scenes import Scene


def _description_family(name: str, write: Callable[[Scene], str], phrasings: tuple[str, ...]) -> Family:
    def candidates(scene: Scene, draws: Draws) -> list[Arguments]:
        return [{}]

    def solve(scene: Scene, arguments: Arguments) -> Solution | None:
        return Solution(
            write(scene),
            tuple(item.id for item in scene.objects),
            {},
            name,
            frozenset({("description", name)}),
        )

    return Family(name, {"ask": phrasings}, candidates, solve)


SHORT = _description_family(
    "short_description",
    short_caption,
    (
        "Describe the image briefly.",
        "What is in the image?",
        "Give a short caption.",
        "Summarize the picture in a few words.",
    ),
)
LONG = _description_family(
    "long_description",
    long_description,
    (
        "Describe the image in detail.",
        "Please describe this image in detail.",
        "Tell me everything that you see.",
        "Write a detailed description of the picture.",
    ),
)
