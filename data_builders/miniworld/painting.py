"""From a scene to its picture and its exact masks; a scene carries all that is needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_builders.miniworld.backgrounds import photo_crop
from data_builders.miniworld.handwriting import digit_stencil
from data_builders.miniworld.lettering import word_stencil
from data_builders.miniworld.stencils import shape_stencil
from data_builders.miniworld.vocabulary import LIGHT_COLORS
from data_builders.scenes import Scene, SceneObject

_LIGHT_CARD = (232, 230, 224)
_DARK_CARD = (52, 54, 60)


def footprint(source: Mapping[str, Any]) -> tuple[int, int]:
    """How many pixels an object takes, (width, height), from the drawing instructions in its ``source``."""
    if source["draw"] == "shape":
        height, width = shape_stencil(source["shape"], source["size"]).shape
        return width, height
    height, width = _ink(source).shape
    margin = 2 * source["margin"]
    # A card is at least half as wide as it is high, so that the digit 1 does not look like a stroke.
    return max(width, height // 2) + margin, height + margin


def paint(scene: Scene) -> NDArray[np.uint8]:
    """Draw a scene.

    Returns:
        (height, width, 3) RGB.
    """
    canvas = _background(scene)
    for item in back_to_front(scene.objects):
        source = item.source
        x, y = source["x"], source["y"]
        if source["draw"] == "shape":
            _blend(canvas, x, y, shape_stencil(source["shape"], source["size"]), source["rgb"])
            continue
        width, height = footprint(source)
        canvas[y : y + height, x : x + width] = (
            _DARK_CARD if item.attributes[0] in LIGHT_COLORS else _LIGHT_CARD
        )
        ink = _ink(source)
        _blend(canvas, x + (width - ink.shape[1]) // 2, y + source["margin"], ink, source["rgb"])
    return canvas


def paint_owners(width: int, height: int, sources: list[Mapping[str, Any]]) -> NDArray[np.uint8]:
    """Which object owns each pixel, given drawing instructions from back to front.

    Returns:
        (height, width): 0 for the background, k + 1 for the k-th of ``sources``.
    """
    owners = np.zeros((height, width), dtype=np.uint8)
    for number, source in enumerate(sources, start=1):
        x, y = source["x"], source["y"]
        if source["draw"] == "shape":
            covered = shape_stencil(source["shape"], source["size"]) >= 128
            owners[y : y + covered.shape[0], x : x + covered.shape[1]][covered] = number
        else:
            wide, high = footprint(source)
            owners[y : y + high, x : x + wide] = number
    return owners


def visible_masks(scene: Scene) -> dict[str, NDArray[np.bool_]]:
    """The visible pixels of every object, (height, width) each, by object id. No two masks share a pixel."""
    ordered = back_to_front(scene.objects)
    owners = paint_owners(scene.width, scene.height, [item.source for item in ordered])
    return {item.id: owners == number for number, item in enumerate(ordered, start=1)}


def back_to_front(objects: tuple[SceneObject, ...]) -> list[SceneObject]:
    """The objects in the order in which they are painted."""
    return sorted(objects, key=lambda item: item.depth or 0)


def full_area(source: Mapping[str, Any]) -> int:
    """The pixels of an object if nothing were in front of it."""
    if source["draw"] == "shape":
        return int((shape_stencil(source["shape"], source["size"]) >= 128).sum())
    width, height = footprint(source)
    return width * height


def _ink(source: Mapping[str, Any]) -> NDArray[np.uint8]:
    if source["draw"] == "digit":
        return digit_stencil(source["sample"], source["size"])
    return word_stencil(source["word"], source["size"])


def _background(scene: Scene) -> NDArray[np.uint8]:
    source = scene.source
    if "photo" in source:
        crop = photo_crop(source["photo"], source["split"], source["crop"], scene.width)
        return crop[:, ::-1].copy() if source["flip"] else crop.copy()
    canvas = np.empty((scene.height, scene.width, 3), dtype=np.uint8)
    canvas[:] = source["plain"]
    return canvas


def _blend(
    canvas: NDArray[np.uint8], x: int, y: int, opacity: NDArray[np.uint8], rgb: tuple[int, int, int]
) -> None:
    """Paint a colour over the canvas, in place and in whole numbers."""
    height, width = opacity.shape
    region = canvas[y : y + height, x : x + width]
    front = opacity.astype(np.int32)[:, :, None]
    mixed = region * (255 - front) + front * np.asarray(rgb, dtype=np.int32) + 127
    region[:] = mixed // 255
