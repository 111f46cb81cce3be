"""Vision towers, one file for each library they come from, and one for several of them at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mmtune.images.geometry import ViewGeometry
from mmtune.models.config import FUSED, Select, VisionConfig, split_library
from mmtune.models.vision.base import LayeredTower, Library, VisionTower
from mmtune.models.vision.fused_tower import FusedTower
from mmtune.registry import Registry

LIBRARIES: Registry[Library] = Registry(
    "library of vision towers",
    __name__,
    {
        "transformers": "transformers_tower:LIBRARY",
        "open_clip": "open_clip_tower:LIBRARY",
    },
)
"""A tower's name begins with its library's and a colon; without them it is of transformers."""


def build_vision(config: VisionConfig, *, meta: bool = False) -> VisionTower:
    """The vision tower that a configuration names, with its weights.

    Args:
        config: name, layer and selection; the name ``fused`` stands for several towers.
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
    library, name = split_library(config.name)
    return LIBRARIES.find(library, "model.vision.name").load(replace(config, name=name), meta=meta)


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
    return LIBRARIES.find(library, "checkpoint").new(
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


__all__ = ["LIBRARIES", "VisionTower", "build_vision", "restore_vision"]
