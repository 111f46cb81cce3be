"""Scenes that differ from a given one in a single thing: hard negatives for contrastive training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from data_builders.draws import Draws
from data_builders.miniworld.handwriting import samples_of
from data_builders.miniworld.painting import footprint
from data_builders.miniworld.vocabulary import COLORS, DIGIT, SHAPES, WORD, WORDS
from data_builders.miniworld.world import World, WorldSettings
from data_builders.scenes import Scene, SceneObject

_MOST_OVERLAP = 0.15
_KINDS = (0.25, 0.2, 0.55)


def with_fewer(scene: Scene, count: int, rng: np.random.Generator) -> Scene:
    """The scene with at most ``count`` of its objects, chosen at random: an easier picture to begin with."""
    kept = sorted(rng.permutation(len(scene.objects))[:count].tolist())
    objects = tuple(scene.objects[k] for k in kept)
    ids = {item.id for item in objects}
    relations = tuple(r for r in scene.relations if r.subject in ids and r.object in ids)
    return replace(scene, objects=objects, relations=relations)


class CrowdedWorld(World):
    """Pictures to learn to see from: mostly five objects, all shapes equally often, much to read."""

    def __init__(self, split: str = "train", seed: int = 0) -> None:
        shares = WorldSettings(object_counts=(0.05, 0.1, 0.2, 0.65), group_sizes=(0.8, 0.1, 0.05, 0.05))
        super().__init__(shares, split, seed)

    def _class(self, draws: Draws, theme: str) -> str:
        kind = draws.weighted((DIGIT, WORD, "shape"), _KINDS)
        return draws.choice(SHAPES) if kind == "shape" else kind


def variants(scene: Scene, count: int, rng: np.random.Generator, split: str = "train") -> list[Scene]:
    """The scene itself and ``count - 1`` scenes that each differ from it in one thing that a caption tells.

    Args:
        scene: a scene of the small world.
        count: scenes wanted in all.
        rng: where the choices come from.
        split: whose handwriting a changed digit is taken from.
    """
    found = [scene]
    tries = 0
    while len(found) < count and tries < 60:
        tries += 1
        change = _CHANGES[int(rng.integers(len(_CHANGES)))]
        objects = change(scene.objects, rng, split)
        if objects is None:
            continue
        placed = _placed(objects, scene.width)
        if placed is not None:
            found.append(replace(scene, objects=placed, relations=()))
    while len(found) < count:
        found.append(replace(scene, objects=_recolour(scene.objects, rng, split)))
    return found


def _recolour(
    objects: tuple[SceneObject, ...], rng: np.random.Generator, split: str
) -> tuple[SceneObject, ...]:
    k = int(rng.integers(len(objects)))
    others = [name for name in COLORS if name != objects[k].attributes[0]]
    return _put(objects, k, _with_color(objects[k], others[int(rng.integers(len(others)))]))


def _swap_colours(
    objects: tuple[SceneObject, ...], rng: np.random.Generator, split: str
) -> tuple[SceneObject, ...] | None:
    if len(objects) < 2:
        return None
    i, j = _pair(objects, rng)
    if objects[i].attributes[0] == objects[j].attributes[0] or objects[i].name == objects[j].name:
        return None
    first, second = objects[i].attributes[0], objects[j].attributes[0]
    return _put(_put(objects, i, _with_color(objects[i], second)), j, _with_color(objects[j], first))


def _swap_places(
    objects: tuple[SceneObject, ...], rng: np.random.Generator, split: str
) -> tuple[SceneObject, ...] | None:
    if len(objects) < 2:
        return None
    i, j = _pair(objects, rng)
    if (objects[i].name, objects[i].attributes, objects[i].text) == (
        objects[j].name,
        objects[j].attributes,
        objects[j].text,
    ):
        return None
    return _put(_put(objects, i, _moved(objects[i], objects[j])), j, _moved(objects[j], objects[i]))


def _other_class(
    objects: tuple[SceneObject, ...], rng: np.random.Generator, split: str
) -> tuple[SceneObject, ...] | None:
    k = int(rng.integers(len(objects)))
    item = objects[k]
    if item.name in (DIGIT, WORD):
        return None
    others = [name for name in SHAPES if name != item.name]
    name = others[int(rng.integers(len(others)))]
    return _put(objects, k, replace(item, name=name, source={**item.source, "shape": name}))


def _other_text(
    objects: tuple[SceneObject, ...], rng: np.random.Generator, split: str
) -> tuple[SceneObject, ...] | None:
    readable = [k for k, item in enumerate(objects) if item.text is not None]
    if not readable:
        return None
    k = readable[int(rng.integers(len(readable)))]
    item = objects[k]
    if item.name == WORD:
        word = [w for w in WORDS if w != item.text][int(rng.integers(len(WORDS) - 1))]
        return _put(objects, k, replace(item, text=word, source={**item.source, "word": word}))
    digit = (int(item.text or 0) + int(rng.integers(1, 10))) % 10
    samples = samples_of(split)[digit]
    sample = samples[int(rng.integers(len(samples)))]
    return _put(objects, k, replace(item, text=str(digit), source={**item.source, "sample": sample}))


_CHANGES: tuple[Callable[[tuple[SceneObject, ...], np.random.Generator, str], Any], ...] = (
    _recolour,
    _swap_colours,
    _swap_places,
    _other_class,
    _other_text,
    _other_text,
)


def _pair(objects: tuple[SceneObject, ...], rng: np.random.Generator) -> tuple[int, int]:
    i, j = rng.choice(len(objects), size=2, replace=False)
    return int(i), int(j)


def _put(objects: tuple[SceneObject, ...], k: int, item: SceneObject) -> tuple[SceneObject, ...]:
    return (*objects[:k], item, *objects[k + 1 :])


def _with_color(item: SceneObject, color: str) -> SceneObject:
    source = {**item.source, "rgb": list(COLORS[color])}
    return replace(item, attributes=(color, *item.attributes[1:]), source=source)


def _moved(item: SceneObject, onto: SceneObject) -> SceneObject:
    """The object with its centre where the other's is."""
    (x, y), (width, height) = onto.center, footprint(item.source)
    return replace(item, source={**item.source, "x": round(x - width / 2), "y": round(y - height / 2)})


def _placed(objects: tuple[SceneObject, ...], size: int) -> tuple[SceneObject, ...] | None:
    """The objects pushed inside the picture with their boxes, or None where they would hide each other."""
    placed: list[SceneObject] = []
    for item in objects:
        width, height = footprint(item.source)
        x = min(max(1, item.source["x"]), size - width - 1)
        y = min(max(1, item.source["y"]), size - height - 1)
        if x < 0 or y < 0:
            return None
        box = (float(x), float(y), float(x + width), float(y + height))
        if any(_overlap(box, other.box_xyxy) > _MOST_OVERLAP for other in placed):
            return None
        placed.append(replace(item, box_xyxy=box, source={**item.source, "x": x, "y": y}))
    return tuple(placed)


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
