"""Resizing and cropping one view with Pillow's own filters, on 8-bit pixels as the towers were trained."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mmtune.images.geometry import Resample, Triple, ViewGeometry

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}

_LONGEST_RESIZE = 8
"""Times the view's size that the long side may have after resizing, before the crop is taken first."""


_LONGEST_PAD = 16_384
"""Side of a square above which padding would take gigabytes: the image is made smaller before."""
_SHORTENED = 2_048
"""Pixels of the long side that are left then."""


def fit_view(image: Image.Image, geometry: ViewGeometry) -> Image.Image:
    """Bring an RGB image to the square of the view, cropped, stretched or with a border, as it was trained.

    Args:
        image: an RGB image of any size.
        geometry: the tower's view.

    Returns:
        An RGB image of ``size`` x ``size``.

    Source: CLIPImageProcessor's order (short side to ``size`` with the long side truncated, then the centre).
    """
    size, resample = geometry.size, _FILTERS[geometry.resample]
    width, height = image.size
    if geometry.fit == "stretch" or width == height:
        return image.resize((size, size), resample)
    short, long = min(width, height), max(width, height)
    if geometry.fit == "contain":
        new_short = max(1, round(short * size / long))
        inner = image.resize((size, new_short) if width > height else (new_short, size), resample)
        square = Image.new("RGB", (size, size))
        square.paste(inner, ((size - inner.width) // 2, (size - inner.height) // 2))
        return square
    new_long = int(size * long / short)
    offset = (new_long - size) // 2
    if new_long > _LONGEST_RESIZE * size:
        # A thin strip would be blown up to gigabytes only to be thrown away: resample just what is kept.
        start, span = offset * long / new_long, size * long / new_long
        box = (start, 0, start + span, short) if width > height else (0, start, short, start + span)
        return image.resize((size, size), resample, box=box)
    if width > height:
        return image.resize((new_long, size), resample).crop((offset, 0, offset + size, size))
    return image.resize((size, new_long), resample).crop((0, offset, size, offset + size))


def resize(image: Image.Image, size: tuple[int, int], resample: Resample) -> Image.Image:
    """An RGB image at exactly (width, height), by the filter of this name."""
    return image if image.size == size else image.resize(size, _FILTERS[resample])


def pad_to_square(image: Image.Image, colour: tuple[int, int, int]) -> Image.Image:
    """Centre an RGB image on a square of its longer side.

    Args:
        image: an RGB image.
        colour: fill, 0..255 for each channel.

    Source: LLaVA's expand2square (an odd remainder goes to the right or the bottom). A strip of more than
    16,384 pixels is made smaller first, since its square would be gigabytes.
    """
    width, height = image.size
    if width == height:
        return image
    side = max(width, height)
    if side > _LONGEST_PAD:
        width, height = (max(1, round(length * _SHORTENED / side)) for length in (width, height))
        image, side = image.resize((width, height), Image.Resampling.BICUBIC), max(width, height)
    square = Image.new("RGB", (side, side), colour)
    square.paste(image, ((side - width) // 2, (side - height) // 2))
    return square


def view_pixels(view: Image.Image) -> Tensor:
    """The 8-bit pixels of an RGB image as (3, height, width)."""
    channels_last = np.asarray(view, dtype=np.uint8)
    return torch.from_numpy(np.ascontiguousarray(channels_last.transpose(2, 0, 1)))


def normalise(views: Tensor, mean: Triple, std: Triple) -> Tensor:
    """Scale 8-bit pixels to 0..1 and standardise each channel.

    Args:
        views: (views, 3, side, side) uint8.
        mean: mean of each channel.
        std: standard deviation of each channel.

    Returns:
        (views, 3, side, side) float32, where ``views`` are.
    """
    scaled = views.to(torch.float32).mul_(1 / 255)
    shift, scale = (torch.tensor(of_each, device=views.device).view(1, 3, 1, 1) for of_each in (mean, std))
    return scaled.sub_(shift).div_(scale)
