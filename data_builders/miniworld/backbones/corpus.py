"""Text for the language model: scenes told in words where their picture would stand, and talk about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from data_builders.draws import Draws
from data_builders.miniworld.backbones.squares import square_name, square_of
from data_builders.miniworld.backbones.variants import with_fewer
from data_builders.miniworld.conversations import conversation
from data_builders.miniworld.describing import cell_index, cell_of, color_of, refer, size_of
from data_builders.miniworld.questions import FAMILIES, ask, description
from data_builders.miniworld.questions.balance import Ledger
from data_builders.miniworld.questions.base import Question
from data_builders.miniworld.vocabulary import CLASSES, plural
from data_builders.miniworld.world import World
from data_builders.scenes import Scene, SceneObject
from mmtune.records import IMAGE_PLACEHOLDER, Turn
from mmtune.templates import get_template
from mmtune.templates.segments import ImageSegment, Segment, TextSegment, rendered_text

TEMPLATE = "qwen"
_STREAM = 77
GRID = 6
NOTHING = "nothing"
_DRILLED = 24
_DRILLED_RELATIONS = 8
_DRILLED_COMPARISONS = 6
_CAPTION_SHARE = 0.25
_RELATED_SHARE = 0.4
_RELATED = {"left_right": 3.0, "above_below": 1.0, "size_comparison": 1.0, "position": 0.5}
_RELATED_QUESTIONS = 12


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


PHASES = (Phase(0.1, 2, 0.5), Phase(0.1, 3, 0.5), Phase(0.5, 5, 0.4), Phase(0.3, 5, 0.15))


@dataclass(frozen=True, slots=True)
class Document:
    """A text with a scene told where the picture would stand.

    Args:
        segments: with one image position.
        told: the words of each patch, row by row.
    """

    segments: list[Segment]
    told: tuple[str, ...]

    @property
    def text(self) -> str:
        """All of its words, for the tokenizer to learn from."""
        return rendered_text(self.segments).replace(IMAGE_PLACEHOLDER, "".join(f" {w}" for w in self.told))


def told_scene(scene: Scene, grid: int) -> tuple[str, ...] | None:
    """The scene in words, as a tower tells it: at the patch of each object's centre what it is and where.

    Args:
        scene: of a square picture.
        grid: patches a side.

    Returns:
        The words of each patch, row by row, as "C P small red star"; None where two objects share a patch.
    """
    words = [NOTHING] * grid**2
    for item in scene.objects:
        x, y = item.center
        patch = min(grid - 1, int(grid * y / scene.height)) * grid + min(
            grid - 1, int(grid * x / scene.width)
        )
        if words[patch] != NOTHING:
            return None
        parts = (square_name(square_of(scene, item)), size_of(item), color_of(item), item.text, item.name)
        words[patch] = " ".join(part for part in parts if part)
    return tuple(words)


def drill(scene: Scene, draws: Draws) -> list[Segment]:
    """What can be asked of a scene, without the asking: "color star red; side star moon left".

    A value follows its key at once, so looking things up and comparing them is learnt here many times
    sooner than from questions, which say the key early and want the value late.
    """
    lines = _aspects(scene)
    lines += draws.sample(_sides(scene, draws), _DRILLED_RELATIONS)
    lines += draws.sample(_comparisons(scene), _DRILLED_COMPARISONS)
    lines += _presence(scene, draws)
    draws.shuffle(lines)
    segments: list[Segment] = []
    for key, value in lines[:_DRILLED]:
        segments += [TextSegment(f" {key}"), TextSegment(f" {value}", supervised=True), TextSegment(";")]
    return segments


def _aspects(scene: Scene) -> list[tuple[str, str]]:
    lines = []
    for item in scene.objects:
        key = _key(scene, item)
        values = {"color": color_of(item), "size": size_of(item), "text": item.text}
        if cell_index(scene, item, margin=scene.width / 32) is not None:
            values["place"] = cell_of(scene, item)
        if key is not None:
            lines += [(f"{aspect} {key}", value) for aspect, value in values.items() if value]
    return lines


def _sides(scene: Scene, draws: Draws) -> list[tuple[str, str]]:
    lines = []
    for relation in scene.relations:
        first, second = (_key(scene, scene.object(end)) for end in (relation.subject, relation.object))
        if first is None or second is None:
            continue
        side = relation.predicate.removesuffix(" of")
        aspect = "side" if side in ("left", "right") else "level"
        if draws.chance(0.5):
            lines.append((f"{aspect} {first} {second}", side))
        else:
            asked = draws.choice(("left", "right") if aspect == "side" else ("above", "below"))
            lines.append((f"{asked} {first} {second}", "yes" if asked == side else "no"))
    return lines


def _comparisons(scene: Scene) -> list[tuple[str, str]]:
    lines = []
    for first, second in permutations(scene.objects, 2):
        one, two = _key(scene, first), _key(scene, second)
        sizes = size_of(first), size_of(second)
        if one and two and first.name != second.name and sizes in (("small", "large"), ("large", "small")):
            larger, smaller = (first, second) if sizes[0] == "large" else (second, first)
            lines += [(f"larger {one} {two}", larger.name), (f"smaller {one} {two}", smaller.name)]
    for one, two in permutations(sorted({item.name for item in scene.objects}), 2):
        numbers = len(scene.of_class(one)), len(scene.of_class(two))
        if numbers[0] != numbers[1]:
            lines.append((f"more {plural(one)} {plural(two)}", "yes" if numbers[0] > numbers[1] else "no"))
    return lines


def _presence(scene: Scene, draws: Draws) -> list[tuple[str, str]]:
    there = sorted({item.name for item in scene.objects})
    absent = draws.sample([name for name in CLASSES if name not in there], len(there))
    lines = []
    for name in (*there, *absent):
        number = len(scene.of_class(name))
        lines.append(
            (f"any {name}", "yes" if number else "no") if draws.chance(0.5) else (plural(name), str(number))
        )
    return lines


def _key(scene: Scene, item: SceneObject) -> str | None:
    thing = refer(scene, item)
    return None if thing is None else thing.removeprefix("the ")


def documents(world: World, count: int, phase: Phase, grid: int = GRID) -> Iterator[Document]:
    """Drills, conversations in the quickstart's template, and short captions, as aligning asks for them."""
    ledger = Ledger()
    for index in range(count):
        draws = Draws(world.seed, _STREAM, phase.objects, index)
        rng = np.random.default_rng((world.seed, phase.objects, index))
        scene = with_fewer(world.scene(index), draws.between(1, phase.objects), rng)
        told = told_scene(scene, grid)
        segments = None if told is None else _talk(scene, draws, ledger, phase)
        if told is not None and segments is not None:
            yield Document(segments, told)


def _talk(scene: Scene, draws: Draws, ledger: Ledger, phase: Phase) -> list[Segment] | None:
    if draws.chance(phase.drills):
        return [ImageSegment(0), TextSegment("\n"), *drill(scene, draws)]
    if draws.chance(_CAPTION_SHARE):
        asked = ask(description.SHORT, scene, draws, ledger)
        turns = [] if asked is None else [Turn("user", IMAGE_PLACEHOLDER), Turn("assistant", asked.answer)]
        return get_template("plain").render(turns) if turns else None
    related = draws.chance(_RELATED_SHARE)
    turns = []
    for question in _related(scene, draws, ledger) if related else conversation(scene, draws, ledger):
        turns.append(Turn("user", question.text if turns else f"{IMAGE_PLACEHOLDER}\n{question.text}"))
        turns.append(Turn("assistant", question.answer))
    return get_template(TEMPLATE).render(turns) if turns else None


def _related(scene: Scene, draws: Draws, ledger: Ledger) -> list[Question]:
    """Questions that compare two things, and little else: they are the last to be learnt.

    In drills they soon come right, but "Is the star to the left of the moon?" names the side before the
    second thing, and a conversation asks it once at most.
    """
    names, shares = tuple(_RELATED), tuple(_RELATED.values())
    asked = (
        ask(FAMILIES[draws.weighted(names, shares)], scene, draws, ledger) for _ in range(_RELATED_QUESTIONS)
    )
    return list({question.text: question for question in asked if question is not None}.values())
