"""Noise: Gaussian, with a grain as coarse in proportion for large images as for small ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eval.robustness.base import Case, drawn
from eval.robustness.blur import REFERENCE_SIDE
from eval.robustness.corruption import Corruption

if TYPE_CHECKING:
    from PIL.Image import Image


class Noise(Corruption):
    """Gaussian noise; the strengths are standard deviations, where white is 1.

    A grain is a pixel of an image with a shorter side of 224: on the pixels of a large photograph noise would
    vanish when the image policy shrinks it. The noise follows from the seed and the image's name, so that all
    questions about an image see the same one.

    Source: severities of ImageNet-C (Hendrycks and Dietterich).
    """

    name = "noise"
    title = "Gaussian noise"
    strengths = (0.08, 0.12, 0.18, 0.26, 0.38)

    def describe(self, strength: float, case: Case) -> str:
        return f"noise:{strength:g},{drawn('noise', self.seed, case.ask.image).getrandbits(32)}"


def noised(image: Image, how: str) -> Image:
    """With noise of ``STRENGTH,SEED``."""
    from PIL import Image as Pillow

    strength, _, seed = how.partition(",")
    grain = max(1, round(min(image.size) / REFERENCE_SIDE))
    width, height = (-(-side // grain) for side in image.size)
    random = np.random.default_rng(int(seed))
    added = random.normal(0.0, 255 * float(strength), (height, width, 3)).astype(np.float32)
    if grain > 1:
        added = added.repeat(grain, axis=0).repeat(grain, axis=1)[: image.height, : image.width]
    pixels = np.asarray(image, dtype=np.float32) + added
    return Pillow.fromarray(np.clip(pixels.round(), 0, 255).astype(np.uint8))
