"""A picture under way: what is drawn, and where each piece of text came to stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from data_builders.scenes import Scene, SceneObject
from mmtune.records import ImageRef

LICENCE = "CC0-1.0"
Color = tuple[int, int, int]
INK: Color = (25, 25, 30)
PAPER: Color = (252, 252, 250)


@lru_cache(maxsize=16)
def font_of(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font that ships inside Pillow."""
    return ImageFont.load_default(size=size)


@dataclass
class Canvas:
    """A picture and the objects in it.

    Args:
        width: pixels.
        height: pixels.
    """

    width: int
    height: int
    objects: list[SceneObject] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.image = Image.new("RGB", (self.width, self.height), PAPER)
        self.pen = ImageDraw.Draw(self.image)

    def write(
        self, x: float, y: float, text: str, size: int = 14, name: str = "label", *, middle: bool = False
    ) -> SceneObject:
        """Write a line of text and note it as an object with its exact box.

        Args:
            x: of its left side, or of its middle.
            y: of its upper side, or of its middle.
            text: one line.
            size: of the letters, in pixels.
            name: the class of the object.
            middle: whether ``x`` and ``y`` are the middle.
        """
        font = font_of(size)
        left, top, right, bottom = font.getbbox(text)
        if middle:
            x, y = x - (right - left) / 2, y - (bottom - top) / 2
        # The whole text stays inside the picture.
        x = min(max(x, 1), self.width - (right - left) - 1)
        y = min(max(y, 1), self.height - (bottom - top) - 1)
        self.pen.text((x - left, y - top), text, fill=INK, font=font)
        box = (float(x), float(y), float(x + right - left), float(y + bottom - top))
        return self.note(name, box, text=text)

    def note(self, name: str, box: Sequence[float], text: str | None = None) -> SceneObject:
        """Note an object that was drawn."""
        x0, y0, x1, y1 = (round(float(value), 1) for value in box)
        item = SceneObject(f"o{len(self.objects)}", name, (x0, y0, x1, y1), text=text)
        self.objects.append(item)
        return item

    def scene(self, scene_id: str, truth: Mapping[str, Any]) -> Scene:
        """The scene of the picture; all that is true of it is in ``source``."""
        return Scene(
            id=scene_id,
            image=ImageRef(f"{scene_id}.png"),
            width=self.width,
            height=self.height,
            objects=tuple(self.objects),
            exhaustive_classes=frozenset(item.name for item in self.objects),
            licence=LICENCE,
            source=dict(truth),
        )
