"""Text for the language model: scenes told in words where their picture would stand, and talk about them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from data_builders.miniworld.backbones.variants import with_fewer
from data_builders.miniworld.conversations import conversation
from data_builders.miniworld.describing import color_of, size_of
from data_builders.miniworld.draws import Draws
from data_builders.miniworld.questions import DESCRIPTIONS, FAMILIES, ask
from data_builders.miniworld.questions.balance import Ledger
from data_builders.miniworld.world import World
from data_builders.scenes import Scene, SceneObject
from mmtune.records import Turn
from mmtune.templates import get_template
from mmtune.templates.segments import Segment, TextSegment

TEMPLATE = "qwen"
_STREAM = 77
_CAPTION_SHARE = 0.15
_SIMPLE_SHARE = 0.35
"""Scenes of at most two objects: looking things up is learnt on them first."""


def told_scene(scene: Scene, draws: Draws) -> str:
    """The scene in words, one clause an object: "c7 small red star; e2 blue cat word".

    The place is that of the centre on a chessboard of nine by nine, which settles every question about
    places. The class comes last, so that at its token all of an object can have come together, as in the
    patch of a picture.
    """
    items = list(scene.objects)
    if draws.chance(0.5):
        items.sort(key=lambda item: _square(scene, item)[::-1])
    else:
        draws.shuffle(items)
    return "; ".join(_clause(scene, item) for item in items) + "."


def _clause(scene: Scene, item: SceneObject) -> str:
    column, row = _square(scene, item)
    words = [f"{'abcdefghi'[column]}{row + 1}", size_of(item), color_of(item), item.text, item.name]
    return " ".join(word for word in words if word)


def _square(scene: Scene, item: SceneObject) -> tuple[int, int]:
    x, y = item.center
    return min(8, int(9 * x / scene.width)), min(8, int(9 * y / scene.height))


def documents(world: World, count: int) -> Iterator[list[Segment]]:
    """Conversations in the template of the quickstart and, a few, bare captions after their scene."""
    template = get_template(TEMPLATE)
    ledger = Ledger()
    for index in range(count):
        draws = Draws(world.seed, _STREAM, index)
        scene = world.scene(index)
        if draws.chance(_SIMPLE_SHARE):
            scene = with_fewer(scene, 2, np.random.default_rng((world.seed, index)))
        told = told_scene(scene, draws)
        if draws.chance(_CAPTION_SHARE):
            asked = ask(FAMILIES[draws.choice(DESCRIPTIONS)], scene, draws, ledger)
            if asked:
                yield [TextSegment(f"{told}\n"), TextSegment(f"{asked.answer}\n", supervised=True)]
            continue
        turns: list[Turn] = []
        for question in conversation(scene, draws, ledger):
            turns.append(Turn("user", question.text if turns else f"{told}\n{question.text}"))
            turns.append(Turn("assistant", question.answer))
        yield template.render(turns)
