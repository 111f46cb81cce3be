"""Text for the language model: scenes told in words where their picture would stand, and talk about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from data_builders.miniworld.backbones.variants import with_fewer
from data_builders.miniworld.conversations import conversation
from data_builders.miniworld.describing import color_of, refer, size_of
from data_builders.miniworld.draws import Draws
from data_builders.miniworld.questions import DESCRIPTIONS, FAMILIES, ask
from data_builders.miniworld.questions.balance import Ledger
from data_builders.miniworld.vocabulary import CLASSES, plural
from data_builders.miniworld.world import World
from data_builders.scenes import Scene, SceneObject
from mmtune.records import Turn
from mmtune.templates import get_template
from mmtune.templates.segments import Segment, TextSegment

TEMPLATE = "qwen"
_STREAM = 77
_DRILLED = 20
_DRILLED_RELATIONS = 4
_CAPTION_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the training.

    Args:
        steps: share of all steps.
        objects: the most objects in a scene; which of two is meant is learnt far sooner than which of five.
        drills: share of the texts that are drills.
    """

    steps: float
    objects: int
    drills: float


PHASES = (Phase(0.3, 2, 0.5), Phase(0.2, 3, 0.45), Phase(0.5, 5, 0.35))


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
    return " " + "; ".join(_clause(scene, item) for item in items) + "."


def _clause(scene: Scene, item: SceneObject) -> str:
    words = [_name_of(_square(scene, item)), size_of(item), color_of(item), item.text, item.name]
    return " ".join(word for word in words if word)


def _name_of(square: tuple[int, int]) -> str:
    return f"{'abcdefghi'[square[0]]}{square[1] + 1}"


def _square(scene: Scene, item: SceneObject) -> tuple[int, int]:
    x, y = item.center
    return min(8, int(9 * x / scene.width)), min(8, int(9 * y / scene.height))


def drill(scene: Scene, draws: Draws) -> list[Segment]:
    """What can be asked of a scene, without the asking: "star color red; word place e2; star word left".

    A value follows its key at once, so looking things up is learnt here many times sooner than from
    questions, which say the key early and want the value late.
    """
    lines: list[tuple[str, str]] = []
    for item in scene.objects:
        thing = refer(scene, item)
        if thing is not None:
            key = thing.removeprefix("the ")
            values = {"color": color_of(item), "size": size_of(item), "text": item.text}
            values["place"] = _name_of(_square(scene, item))
            lines += [(f"{key} {aspect}", value) for aspect, value in values.items() if value]
    for relation in draws.sample(scene.relations, _DRILLED_RELATIONS):
        things = [refer(scene, scene.object(end)) for end in (relation.subject, relation.object)]
        if None not in things:
            keys = " ".join((thing or "").removeprefix("the ") for thing in things)
            lines.append((keys, relation.predicate.removesuffix(" of")))
    asked = sorted(CLASSES)
    draws.shuffle(asked)
    there = {item.name for item in scene.objects}
    for name in [*[n for n in asked if n in there], *[n for n in asked if n not in there][: len(there)]]:
        number = len(scene.of_class(name))
        lines.append(
            (f"any {name}", "yes" if number else "no") if draws.chance(0.5) else (plural(name), str(number))
        )
    draws.shuffle(lines)
    segments: list[Segment] = []
    for key, value in lines[:_DRILLED]:
        segments += [TextSegment(f" {key}"), TextSegment(f" {value}", supervised=True), TextSegment(";")]
    return segments


def documents(world: World, count: int, phase: Phase) -> Iterator[list[Segment]]:
    """Drills, conversations in the template of the quickstart and, a few, captions after their scene."""
    template = get_template(TEMPLATE)
    ledger = Ledger()
    for index in range(count):
        draws = Draws(world.seed, _STREAM, phase.objects, index)
        rng = np.random.default_rng((world.seed, phase.objects, index))
        scene = with_fewer(world.scene(index), draws.between(1, phase.objects), rng)
        told = told_scene(scene, draws)
        if draws.chance(phase.drills):
            yield [TextSegment(f"{told}\n"), *drill(scene, draws)]
            continue
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
