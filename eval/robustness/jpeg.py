"""JPEG: what strong compression leaves of an image."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from eval.robustness.base import Case
from eval.robustness.corruption import Corruption

if TYPE_CHECKING:
    from PIL.Image import Image


class Jpeg(Corruption):
    """Compression; the strengths are JPEG's quality.

    Source: severities of ImageNet-C (Hendrycks and Dietterich).
    """

    name = "jpeg"
    title = "JPEG compression"
    strengths = (25, 18, 15, 10, 7)

    def describe(self, strength: float, case: Case) -> str:
        del case
        return f"jpeg:{strength:g}"


def compressed(image: Image, how: str) -> Image:
    """Written as JPEG of quality ``how`` and read again."""
    from PIL import Image as Pillow

    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=int(how))
    buffer.seek(0)
    return Pillow.open(buffer).convert("RGB")
