"""Images under the noise of a diffusion, the same pixels for the same seed."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from data_builders.teachers.pictures import Picture
from mmtune.errors import UserError

if TYPE_CHECKING:
    from PIL import Image

STEPS = 1000
_FIRST_BETA, _LAST_BETA = 1e-5, 5e-3
"""Ends of the schedule, between which it rises like a sigmoid from -6 to 6."""


def kept_share(step: int) -> float:
    """The share of the image's variance that is left at a step: the product of all 1 - beta up to it.

    Args:
        step: 1 (hardly any noise) to 1000 (next to nothing of the image left).

    Raises:
        UserError: for another step.

    Source: the sigmoid schedule of visual contrastive decoding, which POVID noises with, too.
    """
    if not 1 <= step <= STEPS:
        raise UserError(f"the step of the noise is {step}", "--noise-step", f"give 1 to {STEPS}")
    rising = 1 / (1 + np.exp(-np.linspace(-6, 6, STEPS)))
    betas = rising * (_LAST_BETA - _FIRST_BETA) + _FIRST_BETA
    return float(np.prod(1 - betas[:step]))


def noised(image: Image.Image, step: int, seed: int, name: str) -> Image.Image:
    """A copy with Gaussian noise: sqrt(share) x image + sqrt(1 - share) x noise, on pixels from -1 to 1.

    Args:
        image: RGB of any size.
        step: as for ``kept_share``.
        seed: of the build.
        name: of the image; another image gets other noise.

    Raises:
        UserError: as ``kept_share``.
    """
    from PIL import Image as Pictures

    share = kept_share(step)
    pixels = np.asarray(image.convert("RGB"), dtype=np.float64) / 127.5 - 1
    mixed = np.sqrt(share) * pixels + np.sqrt(1 - share) * _normal(pixels.size, seed, name).reshape(
        pixels.shape
    )
    return Pictures.fromarray(np.clip(np.rint((mixed + 1) * 127.5), 0, 255).astype(np.uint8))


def _normal(count: int, seed: int, name: str) -> np.ndarray:
    """Normal numbers out of the generator's raw bits, which numpy promises for ever, by Box and Muller."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
    key = np.array([seed % 2**64, int.from_bytes(digest[:8], "big")], dtype=np.uint64)
    half = (count + 1) // 2
    raw = np.random.Philox(key=key).random_raw(2 * half) >> np.uint64(11)
    uniform = (raw.astype(np.float64) + 0.5) * 2.0**-53
    radius, angle = np.sqrt(-2 * np.log(uniform[:half])), 2 * np.pi * uniform[half:]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count]


@dataclass(frozen=True)
class NoisedPicture(Picture):
    """An image that a teacher is shown under noise.

    Args:
        step: as for ``kept_share``.
        seed: of the build.
    """

    step: int = 500
    seed: int = 0

    @cached_property
    def sha256(self) -> str:
        """As ``Picture.sha256``, and of the noise."""
        plain = Picture(self.root, self.ref, self.side_px).sha256
        return hashlib.sha256(f"{plain}\0{self.step}\0{self.seed}".encode()).hexdigest()

    @property
    def key(self) -> Hashable:
        """As ``Picture.key``, and of the noise."""
        return str(self.root), self.ref, self.side_px, self.step, self.seed

    def open(self) -> Image.Image:
        """The upright RGB image, shrunk to ``side_px`` and then noised."""
        plain = Picture(self.root, self.ref, self.side_px).open()
        return noised(plain, self.step, self.seed, str(self.ref))

    def encoded(self) -> tuple[str, bytes]:
        """As PNG, which keeps the noise as it is."""
        buffer = io.BytesIO()
        self.open().save(buffer, format="PNG")
        return "image/png", buffer.getvalue()
