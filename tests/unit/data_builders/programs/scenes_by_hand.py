"""Small scenes, written in one line each, for what a random scene shows too seldom."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from data_builders.programs.asking import Settings, ask, stream, view_of
from data_builders.programs.registry import PROGRAMS
from data_builders.programs.wording import Asked
from data_builders.scenes import Mask, Relation, Scene, SceneObject
from mmtune.records import ImageRef


def thing(
    item_id: str,
    name: str,
    box: tuple[float, float, float, float] = (0, 0, 10, 10),
    *attributes: str,
    depth: int | None = None,
    text: str | None = None,
    masked: bool = False,
) -> SceneObject:
    """An object; masked means that its mask fills its box in a picture of 100 x 100."""
    x0, y0, x1, y1 = box
    mask = Mask(100, 100, polygons=((x0, y0, x1, y0, x1, y1, x0, y1),)) if masked else None
    return SceneObject(item_id, name, box, attributes, depth, text, mask)


def scene(
    *objects: SceneObject,
    relations: Iterable[tuple[str, str, str]] = (),
    exhaustive: Iterable[str] = (),
    attributes: Iterable[str] = (),
    name: str = "s",
) -> Scene:
    """A scene of 100 x 100 pixels."""
    return Scene(
        name,
        ImageRef(f"{name}.png"),
        100,
        100,
        objects,
        tuple(Relation(*found) for found in relations),
        exhaustive_classes=frozenset(exhaustive),
        exhaustive_attributes=frozenset(attributes),
    )


def asked(name: str, *scenes: Scene, seeds: int = 12, **settings: Any) -> list[Asked]:
    """All that a program asks of these scenes together, with several seeds."""
    found: list[Asked] = []
    for seed in range(seeds):
        chosen = Settings(**{"seed": seed, "mode": "short", **settings})
        views = [view_of(one, chosen) for one in scenes]
        program = PROGRAMS[name]
        found += ask(program, views, stream(chosen, program, *(one.id for one in scenes)), chosen)
    return found


FAR, MIDDLE, NEAR = (5, 5, 30, 30), (40, 40, 60, 60), (70, 70, 95, 95)
LAYERS = scene(
    thing("a", "dog", FAR, depth=0, masked=True),
    thing("b", "cat", MIDDLE, depth=1, masked=True),
    thing("c", "bus", NEAR, depth=2, masked=True),
    exhaustive=("dog", "cat", "bus"),
)
