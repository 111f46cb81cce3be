"""CLIP and SigLIP towers of transformers."""

from __future__ import annotations

import json
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mmtune.errors import UserError
from mmtune.images.geometry import ViewGeometry
from mmtune.models.config import Select, VisionConfig
from mmtune.models.files import read_json
from mmtune.models.pretrained import load_pretrained
from mmtune.models.vision.base import VisionTower
from mmtune.models.vision.preprocessing import transformers_geometry

FAMILIES = {"clip_vision_model": "clip", "siglip_vision_model": "siglip"}
"""``model_type`` of a vision configuration and its family."""


class TransformersTower(VisionTower):
    """A CLIP or SigLIP vision transformer.

    The weights keep the names that they have inside the vision transformer (``embeddings``, ``encoder``, …)
    in every version of transformers; versions before 5.6 wrap them once more.

    Args:
        model: ``CLIPVisionModel`` or ``SiglipVisionModel``.
        geometry: the view that it takes.
        layer: hidden state to read, as in ``VisionConfig.layer``.
        select: tokens to read, as in ``VisionConfig.select``.
    """

    def __init__(self, model: nn.Module, geometry: ViewGeometry, *, layer: int, select: Select) -> None:
        config: Any = model.config
        super().__init__(
            geometry=geometry,
            width=config.hidden_size,
            layers=config.num_hidden_layers,
            layer=layer,
            select=select,
            class_token=config.model_type == "clip_vision_model",
        )
        self.config = config
        self.core: Any = getattr(model, "vision_model", model)
        self._checkpointing = False

    def describe(self) -> dict[str, Any]:
        """The transformers configuration."""
        settings = json.loads(self.config.to_json_string(use_diff=False))
        settings.pop("_name_or_path", None)
        return {"library": "transformers", "config": settings}

    def blocks(self) -> list[nn.Module]:
        """The encoder layers that are run."""
        return list(self.core.encoder.layers[: self.depth])

    def unused(self) -> list[nn.Module | nn.Parameter]:
        """Later encoder layers, the final norm and the pooling head."""
        found: list[nn.Module | nn.Parameter] = list(self.core.encoder.layers[self.depth :])
        found.append(self.core.post_layernorm)
        if isinstance(getattr(self.core, "head", None), nn.Module):
            found.append(self.core.head)
        return found

    def enable_gradient_checkpointing(self) -> None:
        """Recompute each encoder layer in the backward pass."""
        self._checkpointing = True

    def hidden_state(self, pixels: Tensor) -> Tensor:
        """``hidden_states[depth]`` of the transformers model."""
        state = self.core.embeddings(pixels)
        if hasattr(self.core, "pre_layrnorm"):
            state = self.core.pre_layrnorm(state)
        for layer in self.core.encoder.layers[: self.depth]:
            if self._checkpointing and torch.is_grad_enabled():
                out = checkpoint(layer, state, None, use_reentrant=False)
            else:
                out = layer(state, None)
            state = out[0] if isinstance(out, tuple) else out
        return state


def load_transformers_tower(config: VisionConfig, *, meta: bool = False) -> TransformersTower:
    """A CLIP or SigLIP tower from a folder or from the hub; a full CLIP or SigLIP gives its vision part.

    Args:
        config: name, layer and selection.
        meta: build from the configuration alone, without weights, on the meta device.

    Raises:
        UserError: if the model is missing, is no CLIP or SigLIP, or its weights do not fit.
    """
    content = read_json(config.name, "config.json")
    if content is None:
        raise UserError(
            "the vision tower has no config.json",
            config.name,
            "give a CLIP or SigLIP checkpoint, or write open_clip: in front of an open_clip one",
        )
    model_class, settings = _settings(content, config.name)
    if meta:
        with torch.device("meta"):
            model = model_class(settings)
    else:
        model = load_pretrained(
            model_class, config.name, "vision tower", config=settings, dtype=torch.float32
        )
    preprocessor = read_json(config.name, "preprocessor_config.json") or read_json(
        config.name, "processor_config.json"
    )
    geometry = transformers_geometry(
        preprocessor,
        family=FAMILIES[settings.model_type],
        size=settings.image_size,
        patch=settings.patch_size,
        source=config.name,
    )
    return TransformersTower(model, geometry, layer=config.layer, select=config.select)


def new_transformers_tower(
    content: dict[str, Any], geometry: ViewGeometry, *, layer: int, select: Select, meta: bool = False
) -> TransformersTower:
    """A tower of this configuration with fresh weights, to load saved ones into.

    Args:
        content: a vision ``config.json``.
        geometry: the view that it takes.
        layer: hidden state to read.
        select: tokens to read.
        meta: build on the meta device.
    """
    model_class, settings = _settings(content, "the checkpoint's vision config.json")
    with torch.device("meta" if meta else "cpu"):
        model = model_class(settings)
    return TransformersTower(model, geometry, layer=layer, select=select)


def _settings(content: dict[str, Any], source: str) -> tuple[Any, Any]:
    """The model class and its vision configuration for a ``config.json``."""
    from transformers import CLIPVisionConfig, CLIPVisionModel, SiglipVisionConfig, SiglipVisionModel

    classes = {
        "clip_vision_model": (CLIPVisionModel, CLIPVisionConfig),
        "siglip_vision_model": (SiglipVisionModel, SiglipVisionConfig),
    }
    kind = content.get("model_type")
    if kind in ("clip", "siglip"):
        kind, content = f"{kind}_vision_model", content.get("vision_config") or {}
    if kind not in classes:
        raise UserError(
            f"a vision tower of type {kind!r} is not supported",
            source,
            "use a CLIP, SigLIP or open_clip checkpoint",
        )
    model_class, config_class = classes[kind]
    settings = config_class.from_dict(content)
    settings._attn_implementation = "sdpa"
    return model_class, settings
