"""Vision towers, one file for each library they come from."""

from __future__ import annotations

from mmtune.errors import UserError
from mmtune.models.config import VisionConfig
from mmtune.models.vision.base import VisionTower
from mmtune.models.vision.open_clip_tower import PREFIX, load_open_clip_tower
from mmtune.models.vision.transformers_tower import load_transformers_tower


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


__all__ = ["VisionTower", "build_vision", "check_image_size"]
