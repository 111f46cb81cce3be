"""Text for the language model: scenes told in words where their picture would stand, and talk about them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from data_builders.miniworld.backbones.variants import with_fewer
from data_builders.miniworld.conversations import conversation
from data_builders.miniworld.describing import cell_of, describe
from data_builders.miniworld.draws import Draws
from data_builders.miniworld.questions import DESCRIPTIONS, FAMILIES, ask
from data_builders.miniworld.questions.balance import Ledger
from data_builders.miniworld.world import World
from data_builders.scenes import Scene
from mmtune.records import Turn
from mmtune.templates import get_template
from mmtune.templates.segments import Segment, TextSegment

TEMPLATE = "qwen"
_STREAM = 77
_CAPTION_SHARE = 0.15
_SIMPLE_SHARE = 0.35
"""Scenes of at most two objects: looking things up is learnt on them first."""


def told_scene(scene: Scene, draws: Draws) -> str:
    """The scene in words: its objects from left to right, then from top to bottom.

    Both orders are given because a question about left and right can be about two objects of one cell.
    """
    across = sorted(scene.objects, key=lambda item: item.center[0])
    down = sorted(scene.objects, key=lambda item: item.center[1])
    first = ", ".join(f"{describe(item)} {cell_of(scene, item)}" for item in across)
    second = ", ".join(describe(item) for item in down)
    lines = [f"From left to right: {first}.", f"From top to bottom: {second}."]
    draws.shuffle(lines)
    return "\n".join(lines)


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
