"""Vision towers, one file for each library they come from, and one for several of them at once."""

from __future__ import annotations

from typing import Any

from mmtune.errors import UserError
from mmtune.images.geometry import ViewGeometry
from mmtune.models.config import FUSED, Select, VisionConfig
from mmtune.models.vision.base import LayeredTower, VisionTower
from mmtune.models.vision.fused_tower import FusedTower
from mmtune.models.vision.open_clip_tower import PREFIX, load_open_clip_tower, new_open_clip_tower
from mmtune.models.vision.transformers_tower import load_transformers_tower, new_transformers_tower

LIBRARIES = {"transformers": new_transformers_tower, "open_clip": new_open_clip_tower}
"""Library that a saved tower is rebuilt with."""


def build_vision(config: VisionConfig, *, meta: bool = False) -> VisionTower:
    """The vision tower that a configuration names, with its weights.

    Args:
        config: name, layer and selection; ``open_clip:`` in front of the name chooses the library, the name
            ``fused`` stands for several towers.
        meta: build from the configuration alone, without weights, on the meta device.

    Raises:
        UserError: if the tower is missing, of an unsupported kind, or has no such layer.
    """
    if not config.towers:
        return _build_one(config, meta=meta)
    towers: list[LayeredTower] = []
    for one in config.towers:
        # All see what the first one sees.
        size = towers[0].geometry.size if towers else config.image_size
        towers.append(
            _build_one(
                VisionConfig(one.name, layer=one.layer, final_norm=one.final_norm, image_size=size), meta=meta
            )
        )
    return FusedTower(towers, fuse=config.fuse)


def _build_one(config: VisionConfig, *, meta: bool) -> LayeredTower:
    load = load_open_clip_tower if config.name.startswith(PREFIX) else load_transformers_tower
    return load(config, meta=meta)


def restore_vision(
    library: str,
    settings: dict[str, Any],
    geometry: ViewGeometry,
    *,
    layer: int,
    select: Select,
    final_norm: bool = False,
    meta: bool,
) -> VisionTower:
    """A tower of the configuration that ``VisionTower.describe`` gave, to load its saved weights into.

    Args:
        library: a key of ``LIBRARIES``, or ``fused``.
        settings: the library's own configuration.
        geometry: the view that it takes.
        layer: hidden state to read.
        select: tokens to read.
        final_norm: whether the last state goes through the final norm.
        meta: build on the meta device.

    Raises:
        UserError: if the library is unknown.
    """
    if library == FUSED:
        return _restore_fused(settings, meta=meta)
    if library not in LIBRARIES:
        raise UserError(f"vision towers of {library!r} are unknown", "checkpoint", "use a newer mmtune")
    return LIBRARIES[library](
        settings, geometry, layer=layer, select=select, final_norm=final_norm, meta=meta
    )


def _restore_fused(settings: dict[str, Any], *, meta: bool) -> FusedTower:
    towers = []
    for one in settings["towers"]:
        tower = restore_vision(
            one["library"],
            one["config"],
            ViewGeometry(**one["geometry"]),
            layer=one["layer"],
            select="patch",
            final_norm=one["final_norm"],
            meta=meta,
        )
        assert isinstance(tower, LayeredTower)
        towers.append(tower)
    return FusedTower(towers, fuse=settings["fuse"])


__all__ = ["PREFIX", "VisionTower", "build_vision", "restore_vision"]
