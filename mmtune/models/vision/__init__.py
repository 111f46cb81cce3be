"""Vision towers, one file for each library they come from."""

from __future__ import annotations

from typing import Any

from mmtune.errors import UserError
from mmtune.images.geometry import ViewGeometry
from mmtune.models.config import Select, VisionConfig
from mmtune.models.vision.base import VisionTower
from mmtune.models.vision.open_clip_tower import PREFIX, load_open_clip_tower, new_open_clip_tower
from mmtune.models.vision.transformers_tower import load_transformers_tower, new_transformers_tower

LIBRARIES = {"transformers": new_transformers_tower, "open_clip": new_open_clip_tower}
"""Library that a saved tower is rebuilt with."""


def build_vision(config: VisionConfig, *, meta: bool = False) -> VisionTower:
    """The vision tower that a configuration names, with its weights.

    Args:
        config: name, layer and selection; ``open_clip:`` in front of the name chooses the library.
        meta: build from the configuration alone, without weights, on the meta device.

    Raises:
        UserError: if the tower is missing, of an unsupported kind, or has no such layer.
    """
    load = load_open_clip_tower if config.name.startswith(PREFIX) else load_transformers_tower
    tower = load(config, meta=meta)
    check_image_size(config, tower)
    return tower


def check_image_size(config: VisionConfig, tower: VisionTower) -> None:
    """Refuse a view size other than the tower's own.

    Raises:
        UserError: if ``config.image_size`` differs from what the position embeddings are made for.
    """
    if config.image_size not in (None, tower.geometry.size):
        raise UserError(
            f"the vision tower takes views of {tower.geometry.size} pixels, not {config.image_size}",
            "model.vision.image_size",
            "leave image_size out, or choose a tower of that size",
        )


def restore_vision(
    library: str, settings: dict[str, Any], geometry: ViewGeometry, *, layer: int, select: Select, meta: bool
) -> VisionTower:
    """A tower of the configuration that ``VisionTower.describe`` gave, to load its saved weights into.

    Args:
        library: a key of ``LIBRARIES``.
        settings: the library's own configuration.
        geometry: the view that it takes.
        layer: hidden state to read.
        select: tokens to read.
        meta: build on the meta device.

    Raises:
        UserError: if the library is unknown.
    """
    if library not in LIBRARIES:
        raise UserError(f"vision towers of {library!r} are unknown", "checkpoint", "use a newer mmtune")
    return LIBRARIES[library](settings, geometry, layer=layer, select=select, meta=meta)


__all__ = ["PREFIX", "VisionTower", "build_vision", "check_image_size", "restore_vision"]
