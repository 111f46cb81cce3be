"""Blur: Gaussian, as wide in proportion for large images as for small ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eval.robustness.base import Case
from eval.robustness.corruption import Corruption

if TYPE_CHECKING:
    from PIL.Image import Image

REFERENCE_SIDE = 224
"""Shorter side, in pixels, of the images that strengths are written for."""


class Blur(Corruption):
    """Gaussian blur; the strengths are standard deviations in pixels of an image of 224 × 224.

    Source: severities of ImageNet-C (Hendrycks and Dietterich), there for images of that size.
    """

    name = "blur"
    title = "Gaussian blur"
    strengths = (1.0, 2.0, 3.0, 4.0, 6.0)

    def describe(self, strength: float, case: Case) -> str:
        del case
        return f"blur:{strength:g}"


def blurred(image: Image, how: str) -> Image:
    """Blurred by ``how`` pixels of an image with a shorter side of 224."""
    from PIL import ImageFilter

    return image.filter(ImageFilter.GaussianBlur(float(how) * min(image.size) / REFERENCE_SIDE))
