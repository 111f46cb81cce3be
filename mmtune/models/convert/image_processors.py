"""``preprocessor_config.json`` of transformers for an image policy, with the numbers of the tower's view."""

from __future__ import annotations

from typing import Any

from mmtune.errors import UserError
from mmtune.images.geometry import ViewGeometry
from mmtune.images.policies import ImagePolicy
from mmtune.images.policies.anyres import AnyresPolicy

Json = dict[str, Any]

_FILTERS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3}


def tower_processor(geometry: ViewGeometry) -> Json:
    """The processor of a tower alone: CLIP's where the centre is cut out, SigLIP's where views stretch."""
    side = geometry.size
    cut = geometry.fit == "crop"
    return {
        "image_processor_type": "CLIPImageProcessor" if cut else "SiglipImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"shortest_edge": side} if cut else {"height": side, "width": side},
        "resample": _FILTERS[geometry.resample],
        **({"do_center_crop": True, "crop_size": {"height": side, "width": side}} if cut else {}),
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(geometry.mean),
        "image_std": list(geometry.std),
    }


def processor_for(policy: ImagePolicy, where: str) -> Json:
    """The processor that makes the pixels of an image policy.

    Raises:
        UserError: if no processor of the Hub's LLaVA classes makes them.
    """
    plain = tower_processor(policy.geometry)
    side = policy.geometry.size
    # Views are square when they reach it, so that cutting the centre out changes nothing.
    whole = {
        "size": {"shortest_edge": side},
        "do_center_crop": True,
        "crop_size": {"height": side, "width": side},
        "do_pad": True,
    }
    if policy.name == "square":
        return plain
    if policy.name == "pad":
        return {**plain, **whole, "image_processor_type": "LlavaImageProcessor"}
    if isinstance(policy, AnyresPolicy) and policy.uses_newline and policy.most_views is None:
        # The policy scales with the bicubic filter whatever the tower's own is.
        own = {"image_grid_pinpoints": hub_pinpoints(policy), "resample": _FILTERS["bicubic"]}
        return {**plain, **whole, **own, "image_processor_type": "LlavaNextImageProcessor"}
    raise UserError(
        f"the Hub's LLaVA classes have no image processor for the policy {policy.name} as it is set here",
        where,
        "square, pad, and anyres with merge: unpad and without max_views can be exported",
    )


def hub_pinpoints(policy: AnyresPolicy) -> list[list[int]]:
    """The canvases as the Hub's classes read them: (height, width), in the same order, so that ties agree."""
    return [[height, width] for width, height in policy.canvases]
