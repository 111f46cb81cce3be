"""The small world: scene number i of a split, fixed by the seed alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_builders.draws import Draws
from data_builders.miniworld.backgrounds import CROPS, available_photos, sample_plain_color
from data_builders.miniworld.handwriting import samples_of
from data_builders.miniworld.painting import footprint, full_area, paint, paint_owners
from data_builders.miniworld.vocabulary import CLASSES, COLORS, DIGIT, SIZES, THEMES, WORD, WORDS
from data_builders.scenes import Relation, Scene, SceneObject
from mmtune.errors import UserError

SPLITS = ("train", "val", "test")
LICENCE = "CC0-1.0; handwriting and photographs as licensed by scikit-learn and scikit-image"

_SCENE_STREAM = 1
_PLACE_TRIES = 24
_LAYOUT_TRIES = 8


@dataclass(frozen=True, slots=True)
class WorldSettings:
    """What the scenes look like.

    Args:
        size: pixels a side; everything in the picture scales with it.
        object_counts: share of the scenes with 2, 3, 4 and 5 objects.
        group_sizes: share of the scenes in which 1, 2, 3 or 4 objects are of one class.
        photo_share: share of the scenes in front of a photograph.
        theme_share: probability that an object's class comes from the scene's theme and not from all classes.
        min_visible: share of an object that must be visible.
    """

    size: int = 96
    object_counts: tuple[float, float, float, float] = (0.16, 0.28, 0.30, 0.26)
    group_sizes: tuple[float, float, float, float] = (0.52, 0.18, 0.15, 0.15)
    photo_share: float = 0.3
    theme_share: float = 0.75
    min_visible: float = 0.7

    def __post_init__(self) -> None:
        if self.size < 48:
            raise UserError(
                f"a miniworld picture of {self.size} pixels is too small to read", fix="use size 48 or more"
            )


class World:
    """An endless, ordered supply of scenes.

    Args:
        settings: what the scenes look like.
        split: "train", "val" or "test"; each has its own scenes, handwriting and photograph crops.
        seed: another seed gives other scenes; the handwriting of a split stays the same.

    Raises:
        UserError: if the split is unknown.
    """

    def __init__(self, settings: WorldSettings | None = None, split: str = "train", seed: int = 0) -> None:
        if split not in SPLITS:
            raise UserError(f"unknown miniworld split {split!r}", fix=f"use one of {', '.join(SPLITS)}")
        self.settings = settings or WorldSettings()
        self.split = split
        self.seed = seed
        self._photos = available_photos()
        self._samples = samples_of(split)

    def scene(self, index: int) -> Scene:
        """Scene number ``index``, with exact visible boxes and unambiguous relations, without captions."""
        draws = Draws(self.seed, _SCENE_STREAM, SPLITS.index(self.split), index)
        background = self._background(draws)
        contents = self._contents(draws)
        size = self.settings.size
        placed = self._layout(draws, contents)
        owners = paint_owners(size, size, [source for _, _, _, source in placed])
        objects = []
        for depth, (name, attributes, text, source) in enumerate(placed):
            box = _tight_box(owners == depth + 1)
            objects.append(SceneObject(f"o{depth}", name, box, attributes, depth, text, source=source))
        return Scene(
            id=f"{self.split}-{index:06d}",
            image=None,
            width=size,
            height=size,
            objects=tuple(objects),
            relations=spatial_relations(objects, size),
            exhaustive_classes=frozenset(CLASSES),
            exhaustive_attributes=frozenset({"color", "size"}),
            licence=LICENCE,
            source=background,
        )

    def render(self, scene: Scene) -> NDArray[np.uint8]:
        """The picture of a scene, (size, size, 3) RGB."""
        return paint(scene)

    def _background(self, draws: Draws) -> dict[str, Any]:
        plain = sample_plain_color(draws)
        if not (draws.chance(self.settings.photo_share) and self._photos):
            return {"plain": list(plain)}
        photo = draws.choice(self._photos)
        crop = draws.below(CROPS[self.split])
        return {"photo": photo, "split": self.split, "crop": crop, "flip": draws.chance(0.5)}

    def _contents(self, draws: Draws) -> list[_Content]:
        """What is in the scene, before it is known where: of one theme mostly, maybe several of a class."""
        count = draws.weighted((2, 3, 4, 5), self.settings.object_counts)
        group = min(count, draws.weighted((1, 2, 3, 4), self.settings.group_sizes))
        theme = draws.weighted(tuple(THEMES), [share for share, _ in THEMES.values()])
        grouped = self._class(draws, theme)
        while group > 1 and grouped == WORD:
            grouped = self._class(draws, theme)
        names = [grouped] * group
        while len(names) < count:
            name = self._class(draws, theme)
            if name == WORD and WORD in names:  # two words would fill the picture
                continue
            names.append(name)
        shared_color = draws.choice(tuple(COLORS)) if draws.chance(0.3) else None
        contents = []
        for position, name in enumerate(names):
            color = draws.choice(tuple(COLORS))
            if position < group and group > 1 and shared_color:
                color = shared_color
            contents.append(self._content(draws, name, color))
        draws.shuffle(contents)
        return contents

    def _class(self, draws: Draws, theme: str) -> str:
        if draws.chance(self.settings.theme_share):
            members = THEMES[theme][1]
            return draws.weighted(tuple(members), tuple(members.values()))
        return draws.choice(CLASSES)

    def _content(self, draws: Draws, name: str, color: str) -> _Content:
        unit = self.settings.size / 96
        rgb = [max(0, min(255, channel + draws.between(-10, 10))) for channel in COLORS[color]]
        size = draws.choice(SIZES)
        source: dict[str, Any] = {"rgb": rgb}
        if name == WORD:
            word = draws.choice(WORDS)
            source |= {"draw": "word", "word": word, "size": round(13 * unit), "margin": round(2 * unit)}
            return name, (color,), word, source
        if name == DIGIT:
            digit = draws.below(10)
            sample = draws.choice(self._samples[digit])
            pixels = draws.between(20, 21) if size == "small" else draws.between(31, 33)
            source |= {
                "draw": "digit",
                "sample": sample,
                "size": round(pixels * unit),
                "margin": round(2 * unit),
            }
            return name, (color, size), str(digit), source
        # A small digit with its card stays clearly below the longer side of every large shape.
        pixels = draws.between(16, 19) if size == "small" else draws.between(29, 31)
        source |= {"draw": "shape", "shape": name, "size": round(pixels * unit)}
        return name, (color, size), None, source

    def _layout(self, draws: Draws, contents: list[_Content]) -> list[_Content]:
        """Give every object a place, back to front; the last ones are left out if there is none for them."""
        best: list[_Content] = []
        for _ in range(_LAYOUT_TRIES):
            placed = self._try_layout(draws, contents)
            if len(placed) > len(best):
                best = placed
            if len(best) == len(contents):
                break
        return best

    def _try_layout(self, draws: Draws, contents: list[_Content]) -> list[_Content]:
        size = self.settings.size
        placed: list[_Content] = []
        boxes: list[tuple[int, int, int, int]] = []
        touching = False
        # The widest first: there is always room for the small ones afterwards.
        order = sorted(range(len(contents)), key=lambda i: -footprint(contents[i][3])[0])
        for number in order:
            name, attributes, text, source = contents[number]
            width, height = footprint(source)
            for _ in range(_PLACE_TRIES):
                x, y = draws.between(1, size - width - 1), draws.between(1, size - height - 1)
                box = (x, y, x + width, y + height)
                if all(_overlap_share(box, other) <= 0.12 for other in boxes):
                    touching = touching or any(_overlap_share(box, other) > 0 for other in boxes)
                    boxes.append(box)
                    placed.append((name, attributes, text, {**source, "x": x, "y": y}))
                    break
        draws.shuffle(placed)
        return placed if not touching or self._all_visible(placed) else []

    def _all_visible(self, placed: list[_Content]) -> bool:
        size = self.settings.size
        owners = paint_owners(size, size, [source for _, _, _, source in placed])
        counts = np.bincount(owners.ravel(), minlength=len(placed) + 1)
        least = self.settings.min_visible
        return all(counts[k + 1] >= least * full_area(source) for k, (_, _, _, source) in enumerate(placed))


# class, attributes, text, drawing instructions
_Content = tuple[str, tuple[str, ...], str | None, dict[str, Any]]


def spatial_relations(objects: list[SceneObject], size: int) -> tuple[Relation, ...]:
    """Left-right and above-below, of all pairs whose centres are an eighth of the side apart or more."""
    margin = size / 8
    found = []
    for first in objects:
        x, y = first.center
        for second in objects:
            other_x, other_y = second.center
            if other_x - x >= margin:
                found.append(Relation(first.id, "left of", second.id))
                found.append(Relation(second.id, "right of", first.id))
            if other_y - y >= margin:
                found.append(Relation(first.id, "above", second.id))
                found.append(Relation(second.id, "below", first.id))
    return tuple(found)


def _tight_box(mask: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _overlap_share(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> float:
    """The share of the smaller box that both boxes cover."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))


def settings_to_json(settings: WorldSettings) -> Mapping[str, Any]:
    """The settings as plain JSON values."""
    return {name: getattr(settings, name) for name in WorldSettings.__dataclass_fields__}
