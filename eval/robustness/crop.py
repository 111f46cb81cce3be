"""Crop: a part of the image, of the same shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eval.robustness.base import Case, drawn
from eval.robustness.corruption import Corruption

if TYPE_CHECKING:
    from PIL.Image import Image


class Crop(Corruption):
    """A window of the image's own shape; the strengths are the share of its area that is left.

    Where it lies follows from the seed and the image's name, the same for every severity. What a question is
    about may lie outside: the curve says how much depends on the whole image, not only how robust a model is.
    """

    name = "crop"
    title = "cropped to a part"
    strengths = (0.9, 0.75, 0.6, 0.45, 0.3)

    def describe(self, strength: float, case: Case) -> str:
        place = drawn("crop", self.seed, case.ask.image)
        return f"crop:{strength:g},{place.random():.4f},{place.random():.4f}"


def cropped(image: Image, how: str) -> Image:
    """The window of ``AREA,X,Y``: its share of the area, and where it lies, from 0 (left, top) to 1."""
    area, across, down = (float(part) for part in how.split(","))
    width, height = (max(1, round(side * area**0.5)) for side in image.size)
    left, top = round(across * (image.width - width)), round(down * (image.height - height))
    return image.crop((left, top, left + width, top + height))
