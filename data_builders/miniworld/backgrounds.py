"""What is behind the objects: muted colours, and crops of photographs that ship inside two packages."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_builders.draws import Draws
from data_builders.installed import installed_file
from data_builders.miniworld.resampling import resample
from data_builders.miniworld.stencils import freeze
from mmtune.errors import UserError

# name -> (package, path inside it). Photographs only; each is used if its file is there. None of them shows
# what the questions are about, as flags, rings or writing.
_PHOTOS = {
    "chelsea": ("skimage", "data/chelsea.png"),
    "rocket": ("skimage", "data/rocket.jpg"),
    "china": ("sklearn", "datasets/images/china.jpg"),
    "flower": ("sklearn", "datasets/images/flower.jpg"),
}
# The part of each photograph's width that a split may crop from; the gaps keep neighbours apart.
_BANDS = {"train": (0.0, 0.58), "val": (0.6, 0.78), "test": (0.79, 1.0)}
CROPS = {"train": 32, "val": 6, "test": 10}
_CROP_SEED = 7


@lru_cache(maxsize=1)
def available_photos() -> tuple[str, ...]:
    """Names of the photographs that are installed on this machine, in a fixed order."""
    return tuple(name for name in _PHOTOS if _photo_path(name) is not None)


def sample_plain_color(draws: Draws) -> tuple[int, int, int]:
    """A muted colour of middle brightness, on which every object's colour stands out."""
    light = draws.between(92, 168)
    red, green, blue = (light + draws.between(-16, 16) for _ in range(3))
    return red, green, blue


@lru_cache(maxsize=512)
def photo_crop(name: str, split: str, crop: int, size: int) -> NDArray[np.uint8]:
    """A softened square out of a photograph.

    Args:
        name: one of ``available_photos()``.
        split: decides from which part of the photograph's width the square is cut.
        crop: below ``CROPS[split]``.
        size: pixels a side.

    Returns:
        (size, size, 3), read-only.

    Raises:
        UserError: if the photograph is not installed.
    """
    photo = _load_photo(name)
    height, width = photo.shape[:2]
    left, right = (int(part * width) for part in _BANDS[split])
    draws = Draws(_CROP_SEED, list(_PHOTOS).index(name), list(_BANDS).index(split), crop)
    side = draws.between(min(height, right - left) * 3 // 4, min(height, right - left))
    x = left + draws.below(right - left - side + 1)
    y = draws.below(height - side + 1)
    square = resample(photo[y : y + side, x : x + side], size, size)
    # More than half-way to a middle grey: the objects' colours must stay the strongest in the picture.
    return freeze(((square * 42 + 118 * 58) // 100).astype(np.uint8))


@lru_cache(maxsize=8)
def _load_photo(name: str) -> NDArray[np.uint8]:
    from PIL import Image

    path = _photo_path(name)
    if path is None:
        package = _PHOTOS[name][0].replace("skimage", "scikit-image").replace("sklearn", "scikit-learn")
        raise UserError(f"the photograph {name!r} of {package} is missing", fix=f"pip install {package}")
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _photo_path(name: str) -> Path | None:
    return installed_file(*_PHOTOS[name])
