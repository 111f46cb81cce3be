"""Vision transformers of open_clip, from open_clip's own folder layout or from the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mmtune.errors import UserError
from mmtune.images.geometry import ViewGeometry
from mmtune.models.config import Select, VisionConfig
from mmtune.models.files import find_file, read_json
from mmtune.models.vision.base import VisionTower
from mmtune.models.vision.preprocessing import open_clip_geometry

PREFIX = "open_clip:"
CONFIG_FILE = "open_clip_config.json"
WEIGHT_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")


class OpenClipTower(VisionTower):
    """An open_clip ``VisionTransformer``; hidden states are counted as transformers counts CLIP's.

    Args:
        visual: the visual part of an open_clip model.
        settings: ``model_cfg`` of its ``open_clip_config.json``.
        geometry: the view that it takes.
        layer: hidden state to read, as in ``VisionConfig.layer``.
        select: tokens to read, as in ``VisionConfig.select``.
    """

    def __init__(
        self,
        visual: nn.Module,
        settings: dict[str, Any],
        geometry: ViewGeometry,
        *,
        layer: int,
        select: Select,
    ) -> None:
        vision: dict[str, Any] = settings["vision_cfg"]
        core: Any = visual
        super().__init__(
            geometry=geometry,
            width=vision["width"],
            layers=len(core.transformer.resblocks),
            layer=layer,
            select=select,
            class_token=True,
        )
        self.settings = settings
        self.core = core
        # Dropped patches would leave placeholders without features.
        self.core.patch_dropout = nn.Identity()

    def describe(self) -> dict[str, Any]:
        """The open_clip ``model_cfg``."""
        return {"library": "open_clip", "config": self.settings}

    def blocks(self) -> list[nn.Module]:
        """The residual blocks that are run."""
        return list(self.core.transformer.resblocks[: self.depth])

    def unused(self) -> list[nn.Module | nn.Parameter]:
        """Later blocks, the final norm, pooling and the projection into the contrastive space."""
        found: list[nn.Module | nn.Parameter] = list(self.core.transformer.resblocks[self.depth :])
        found.append(self.core.ln_post)
        for name in ("proj", "attn_pool", "attn_pool_contrastive"):
            item = getattr(self.core, name, None)
            if isinstance(item, (nn.Parameter, nn.Module)):
                found.append(item)
        return found

    def enable_gradient_checkpointing(self) -> None:
        """Recompute each residual block in the backward pass."""
        self.core.set_grad_checkpointing(True)

    def hidden_state(self, pixels: Tensor) -> Tensor:
        """Output of block ``depth``, class token first."""
        out = self.core.forward_intermediates(
            pixels.to(self.core.conv1.weight.dtype),
            indices=[self.depth - 1],
            stop_early=True,
            intermediates_only=True,
            output_fmt="NLC",
            output_extra_tokens=True,
        )
        return torch.cat([out["image_intermediates_prefix"][0], out["image_intermediates"][0]], dim=1)


def load_open_clip_tower(config: VisionConfig, *, meta: bool = False) -> OpenClipTower:
    """The visual part of an open_clip model; its text part is never built or read.

    Args:
        config: a name ``open_clip:<folder or hub name>``, layer and selection.
        meta: build from the configuration alone, without weights, on the meta device.

    Raises:
        UserError: if the model is missing, has no plain vision transformer, or its weights do not fit.
    """
    source = config.name.removeprefix(PREFIX)
    content = read_json(source, CONFIG_FILE)
    if content is None or "model_cfg" not in content:
        raise UserError(
            f"there is no {CONFIG_FILE} with a model_cfg",
            source,
            "give a folder that open_clip can read as local-dir:",
        )
    settings = content["model_cfg"]
    preprocess = content.get("preprocess_cfg", {})
    visual = _build(settings, source, meta=meta)
    geometry = open_clip_geometry(
        preprocess, size=_square(visual.image_size), patch=_square(visual.patch_size), source=source
    )
    if not meta:
        tensors = _visual_weights(source)
        try:
            visual.load_state_dict(tensors)
        except RuntimeError as error:
            lines = [line.strip() for line in str(error).splitlines()[1:2]]
            raise UserError(
                f"the open_clip weights do not fit {CONFIG_FILE}: {' '.join(lines)[:200].rstrip('.')}", source
            ) from error
    return OpenClipTower(visual, settings, geometry, layer=config.layer, select=config.select)


def new_open_clip_tower(
    settings: dict[str, Any], geometry: ViewGeometry, *, layer: int, select: Select, meta: bool = False
) -> OpenClipTower:
    """A tower of this configuration with fresh weights, to load saved ones into.

    Args:
        settings: ``model_cfg`` of an ``open_clip_config.json``.
        geometry: the view that it takes.
        layer: hidden state to read.
        select: tokens to read.
        meta: build on the meta device.
    """
    visual = _build(settings, "the checkpoint's vision config.json", meta=meta)
    return OpenClipTower(visual, settings, geometry, layer=layer, select=select)


def _build(settings: dict[str, Any], source: str, *, meta: bool) -> Any:
    """The vision transformer that an open_clip ``model_cfg`` describes."""
    vision = settings.get("vision_cfg") or {}
    if vision.get("timm_model_name") or not isinstance(vision.get("layers"), int):
        raise UserError(
            "only open_clip's own vision transformers are supported, not timm models or ResNets",
            source,
            "use a ViT checkpoint",
        )
    from open_clip.model import _build_vision_tower

    try:
        with torch.device("meta" if meta else "cpu"):
            return _build_vision_tower(settings["embed_dim"], vision, settings.get("quick_gelu", False))
    except (TypeError, KeyError) as error:
        raise UserError(f"open_clip cannot build this model_cfg: {error}", source) from error


def _visual_weights(source: str) -> dict[str, Tensor]:
    """Tensors of the visual part, without their ``visual.`` prefix."""
    for filename in WEIGHT_FILES:
        file = find_file(source, filename)
        if file is not None:
            break
    else:
        raise UserError(
            f"there is no {WEIGHT_FILES[0]}", source, "save the model in open_clip's folder layout"
        )
    tensors = _read_safetensors(file) if file.suffix == ".safetensors" else _read_bin(file)
    if not tensors:
        raise UserError("the open_clip weights have no visual part", str(file))
    return tensors


def _read_safetensors(file: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as stream:
            names = [name for name in stream.keys() if name.startswith("visual.")]  # noqa: SIM118 (no mapping)
            return {name.removeprefix("visual."): stream.get_tensor(name).float() for name in names}
    except (SafetensorError, OSError) as error:
        raise UserError(
            f"the weights cannot be read: {error}", str(file), "fetch or save them again"
        ) from error


def _read_bin(file: Path) -> dict[str, Tensor]:
    content = torch.load(file, map_location="cpu", weights_only=True)
    content = content.get("state_dict", content)
    names = {name: name.removeprefix("module.") for name in content}
    return {
        short.removeprefix("visual."): content[name].float()
        for name, short in names.items()
        if short.startswith("visual.")
    }


def _square(pair: Any) -> int:
    """The side of a square that open_clip keeps as (height, width)."""
    height, width = pair if isinstance(pair, (tuple, list)) else (pair, pair)
    if height != width:
        raise UserError(f"the tower takes {height}x{width} views, only square ones are supported")
    return int(height)
