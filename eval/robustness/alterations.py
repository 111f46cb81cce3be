"""Altered images: what a canonical description such as ``jpeg:10`` makes of a decoded image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mmtune.errors import UserError
from mmtune.registry import Registry

if TYPE_CHECKING:
    from PIL.Image import Image

    from mmtune.records import ImageRef


class Alteration(Protocol):
    """What a line of the registry names."""

    def __call__(self, image: Image, how: str) -> Image:
        """An RGB image altered as ``how`` says; the image that was given stays as it is."""
        ...


ALTERATIONS: Registry[Alteration] = Registry(
    "alteration of images",
    "eval.robustness",
    {
        "blur": "blur:blurred",
        "jpeg": "jpeg:compressed",
        "noise": "noise:noised",
        "crop": "crop:cropped",
        "text": "drawing:with_text",
    },
)
"""Name → the file and function; it is called after decoding and before the image policy."""


def alter(image: Image, alteration: str) -> Image:
    """An RGB image altered by its description ``NAME:HOW``; the image itself where that is empty.

    Raises:
        UserError: if the image cannot be altered so.
    """
    if not alteration:
        return image
    name, _, how = alteration.partition(":")
    try:
        return ALTERATIONS.find(name, alteration)(image, how)
    except (ValueError, OSError) as error:
        raise UserError(f"the image cannot be altered: {error}", alteration) from error


def load_altered(root: Path, image: ImageRef | str, alteration: str) -> Image:
    """The image of an ask as the model sees it: decoded, upright, RGB, altered.

    Raises:
        UserError: if it cannot be decoded or altered.
    """
    from mmtune.images.loading import load_image

    return alter(load_image(root, image), alteration)
