"""Vision parts of open_clip, from open_clip's own folder layout or from the hub."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from mmtune.errors import UserError
from mmtune.images.geometry import Grid, ViewGeometry
from mmtune.models.config import Select, VisionConfig
from mmtune.models.differences import check_finite, check_shapes, shapes_of
from mmtune.models.files import find_file, read_json
from mmtune.models.pretrained import first_line
from mmtune.models.reading import read_file, read_pickle
from mmtune.models.vision.base import LayeredTower, Library
from mmtune.models.vision.open_clip_features import OpenClipFeatureTower
from mmtune.models.vision.positions import resample
from mmtune.models.vision.preprocessing import open_clip_geometry

CONFIG_FILE = "open_clip_config.json"
WEIGHT_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")


class OpenClipTower(LayeredTower):
    """An open_clip ``VisionTransformer``; hidden states are counted as transformers counts CLIP's.

    Args:
        visual: the visual part of an open_clip model.
        settings: ``model_cfg`` of its ``open_clip_config.json``.
        geometry: the view that it takes.
        layer: hidden state to read, as in ``VisionConfig.layer``.
        select: tokens to read, as in ``VisionConfig.select``.
        final_norm: must be false.
    """

    def __init__(
        self,
        visual: nn.Module,
        settings: dict[str, Any],
        geometry: ViewGeometry,
        *,
        layer: int,
        select: Select,
        final_norm: bool = False,
    ) -> None:
        if final_norm:
            raise UserError(
                "CLIP's last hidden state has no final norm", "model.vision.final_norm", "leave it out"
            )
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


def load_open_clip_tower(config: VisionConfig, *, meta: bool = False) -> LayeredTower:
    """The visual part of an open_clip model; its text part is never built or read.

    Args:
        config: folder or hub name, layer, selection and size of the view.
        meta: build from the configuration alone, without weights, on the meta device.

    Raises:
        UserError: if the model is missing, gives no intermediate features, or its weights do not fit.
    """
    source = config.name
    content = read_json(source, CONFIG_FILE)
    if content is None or "model_cfg" not in content:
        raise UserError(
            f"there is no {CONFIG_FILE} with a model_cfg",
            source,
            "give a folder that open_clip can read as local-dir:",
        )
    settings = content["model_cfg"]
    own = _square(_vision_settings(settings, source).get("image_size", 224))
    size = config.image_size or own
    if size != own:
        settings = settings | {"vision_cfg": settings["vision_cfg"] | {"image_size": size}}
    visual = build_visual(settings, source, meta=meta)
    if not meta:
        _load(visual, _visual_weights(source), source)
    geometry = open_clip_geometry(content.get("preprocess_cfg", {}), size=size, patch=1, source=source)
    return _tower(
        visual, settings, geometry, layer=config.layer, select=config.select, final_norm=config.final_norm
    )


def new_open_clip_tower(
    settings: dict[str, Any],
    geometry: ViewGeometry,
    *,
    layer: int,
    select: Select,
    final_norm: bool = False,
    meta: bool = False,
) -> LayeredTower:
    """A tower of this configuration with fresh weights, to load saved ones into.

    Args:
        settings: ``model_cfg`` of an ``open_clip_config.json``.
        geometry: the view that it takes.
        layer: hidden state to read.
        select: tokens to read.
        final_norm: whether the last state goes through the final norm.
        meta: build on the meta device.
    """
    visual = build_visual(settings, "the checkpoint's vision config.json", meta=meta)
    return _tower(visual, settings, geometry, layer=layer, select=select, final_norm=final_norm)


def _tower(visual: Any, settings: dict[str, Any], geometry: ViewGeometry, **reading: Any) -> LayeredTower:
    """The kind of tower that this visual part is."""
    if hasattr(visual, "transformer"):
        geometry = replace(geometry, patch=_square(visual.patch_size))
        return OpenClipTower(visual, settings, geometry, **reading)
    twin = build_visual(settings, "open_clip", meta=True)
    return OpenClipFeatureTower(visual, twin, settings, geometry, **reading)


def _vision_settings(settings: dict[str, Any], source: str) -> dict[str, Any]:
    vision = settings.get("vision_cfg")
    if not isinstance(vision, dict) or "embed_dim" not in settings:
        raise UserError(
            "the model_cfg describes no vision part", source, f"give open_clip's own {CONFIG_FILE}"
        )
    return vision


def build_visual(settings: dict[str, Any], source: str, *, meta: bool) -> Any:
    """The vision part that an open_clip ``model_cfg`` describes, at the size that it says.

    Raises:
        UserError: if open_clip cannot build it.
    """
    from open_clip.model import _build_vision_tower

    vision = _vision_settings(settings, source)
    # The weights come out of the model's own files, never from timm's.
    vision = {**vision, "timm_model_pretrained": False} if "timm_model_name" in vision else vision
    try:
        with torch.device("meta" if meta else "cpu"):
            visual = _build_vision_tower(settings["embed_dim"], vision, settings.get("quick_gelu", False))
            _resize_timm(visual, _square(visual.image_size))
    except (TypeError, KeyError, RuntimeError, AssertionError) as error:
        raise UserError(f"open_clip cannot build this model_cfg: {first_line(error)}", source) from error
    if not hasattr(visual, "forward_intermediates"):
        raise UserError("this vision part of open_clip gives no intermediate features", source, "use another")
    return visual


def _resize_timm(visual: Any, size: int) -> None:
    """Make a timm vision transformer take views of this size; convolutional networks take any."""
    trunk: Any = getattr(visual, "trunk", None)
    patches = getattr(trunk, "patch_embed", None)
    if hasattr(trunk, "set_input_size") and _pair(getattr(patches, "img_size", size)) != (size, size):
        trunk.set_input_size((size, size))


def _load(visual: Any, tensors: dict[str, Tensor], source: str) -> None:
    """Copy weights, with position embeddings interpolated to the size that the visual part has."""
    for name, before in (("positional_embedding", 1), ("trunk.pos_embed", None)):
        wanted, saved = visual.state_dict().get(name), tensors.get(name)
        if wanted is not None and saved is not None and wanted.shape != saved.shape:
            flat, cells = saved.reshape(-1, saved.shape[-1]), wanted.shape[-2]
            front = before if before is not None else int(flat.shape[0] - int(flat.shape[0] ** 0.5) ** 2)
            side = round((cells - front) ** 0.5)
            sized = resample(flat, Grid(side, side), before=front, antialias=True)
            tensors[name] = sized.reshape(*saved.shape[:-2], -1, saved.shape[-1])
    expected, found = shapes_of(visual.state_dict()), shapes_of(tensors)
    check_shapes("open_clip", expected, found, source, look_at=CONFIG_FILE)
    check_finite("open_clip", tensors, source)
    visual.load_state_dict(tensors)


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
    if file.suffix == ".safetensors":
        tensors = read_file(file, "visual.")
    else:
        content = read_pickle(file)
        content = content.get("state_dict", content)
        tensors = {name.removeprefix("module."): tensor for name, tensor in content.items()}
    visual = {
        name.removeprefix("visual."): tensor.float()
        for name, tensor in tensors.items()
        if name.startswith("visual.")
    }
    if not visual:
        raise UserError("the open_clip weights have no visual part", str(file))
    return visual


def _pair(size: Any) -> tuple[int, int]:
    """(height, width) of a size that may be one number."""
    return (size[0], size[1]) if isinstance(size, (tuple, list)) else (size, size)


def _square(size: Any) -> int:
    """The side of a square that open_clip keeps as (height, width)."""
    height, width = _pair(size)
    if height != width:
        raise UserError(f"the tower takes {height}x{width} views, only square ones are supported")
    return int(height)


LIBRARY = Library(load_open_clip_tower, new_open_clip_tower)
