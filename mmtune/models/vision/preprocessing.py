"""Reading the view that a tower was trained on from the preprocessor files beside its weights."""

from __future__ import annotations

import logging
from typing import Any

from mmtune.errors import UserError
from mmtune.images.geometry import CLIP_MEAN, CLIP_STD, Fit, Resample, ViewGeometry
from mmtune.models.vision.families import FAMILIES

log = logging.getLogger(__name__)

_PILLOW_FILTERS: dict[int, Resample] = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}


def transformers_geometry(
    preprocessor: dict[str, Any] | None,
    *,
    family: str,
    size: int,
    patch: int,
    source: str,
    image_size: int | None = None,
) -> ViewGeometry:
    """The view that a transformers image processor makes.

    Args:
        preprocessor: content of ``preprocessor_config.json``, or None where there is none.
        family: ``clip``, ``siglip``, ``siglip2``, ``dinov2``, for the defaults of that family.
        size: pixels of a view's side that the tower's position embeddings are made for.
        patch: pixels of a patch's side.
        source: where the tower comes from, for messages.
        image_size: pixels of a view's side that the recipe asks for, if it does.

    Returns:
        The view. A margin that a processor cuts off (DINOv2's resizes to 256 and keeps 224) stays in it.

    Raises:
        UserError: if the processor's resampling filter is unknown, or the view is smaller than a patch.
    """
    kind = FAMILIES.get(family) or FAMILIES[f"{family}_vision_model"]
    mean, std, fit = kind.mean, kind.std, kind.fit
    resample: Resample = "bicubic"
    if preprocessor is None:
        log.warning("%s has no preprocessor_config.json; using the defaults of %s", source, kind.name)
        return ViewGeometry(image_size or size, patch, mean, std, resample, fit)
    settings = preprocessor.get("image_processor", preprocessor)
    if settings.get("do_normalize", True):
        mean, std = tuple(settings.get("image_mean", mean)), tuple(settings.get("image_std", std))
    else:
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    code = settings.get("resample", 3)
    if code not in _PILLOW_FILTERS:
        raise UserError(f"the resampling filter {code!r} is unknown", f"preprocessor_config.json of {source}")
    stated_size = settings.get("size")
    if settings.get("do_center_crop") is False and isinstance(stated_size, dict) and "height" in stated_size:
        fit = "stretch"
    stated = _side(settings.get("crop_size")) or _side(settings.get("size"))
    if kind.any_size:
        size = stated or size
    elif stated is not None and stated != size:
        log.warning("%s: the preprocessor says %d pixels, the tower is made for %d", source, stated, size)
    return ViewGeometry(image_size or size, patch, mean, std, _PILLOW_FILTERS[code], fit)


def open_clip_geometry(preprocess: dict[str, Any], *, size: int, patch: int, source: str) -> ViewGeometry:
    """The view that an open_clip ``preprocess_cfg`` describes.

    Args:
        preprocess: ``preprocess_cfg`` of ``open_clip_config.json``; missing keys have open_clip's defaults.
        size: pixels of a view's side.
        patch: pixels of a patch's side.
        source: where the tower comes from, for messages.

    Raises:
        UserError: if the resize mode is one that no policy makes.
    """
    mode = preprocess.get("resize_mode", "shortest")
    fits: dict[str, Fit] = {"shortest": "crop", "squash": "stretch", "longest": "contain"}
    if mode not in fits:
        raise UserError(
            f"the resize mode {mode!r} is not supported",
            f"open_clip_config.json of {source}",
            f"use {', '.join(fits)}",
        )
    return ViewGeometry(
        size,
        patch,
        tuple(preprocess.get("mean", CLIP_MEAN)),
        tuple(preprocess.get("std", CLIP_STD)),
        preprocess.get("interpolation", "bicubic"),
        fits[mode],
    )


def _side(size: Any) -> int | None:
    """Pixels of the side that a processor's ``size`` or ``crop_size`` states, in any of its spellings."""
    if isinstance(size, dict):
        size = size.get("height", size.get("shortest_edge"))
    return size if isinstance(size, int) else None
