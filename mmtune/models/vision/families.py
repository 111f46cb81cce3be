"""The vision transformers of transformers that mmtune reads, and where each keeps what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from mmtune.errors import UserError
from mmtune.images.geometry import CLIP_MEAN, CLIP_STD, Fit, Grid, Triple
from mmtune.models.vision.positions import Mode, resample


@dataclass(frozen=True)
class Family:
    """One kind of vision transformer.

    Args:
        name: for messages and for the preprocessor's defaults.
        model: its class in transformers.
        config: the class of its configuration.
        whole: ``model_type`` of a checkpoint whose vision part it is.
        class_token: whether a class token stands in front of the patches.
        norms_last: whether its ``last_hidden_state`` has gone through the final norm.
        any_size: whether the model itself interpolates its position embeddings.
        mode: the filter for position embeddings, as in transformers.
        antialias: as in transformers.
        takes_patches: whether its embeddings want patches already cut out.
        mean: of each channel, where no preprocessor says so.
        std: of each channel, where no preprocessor says so.
        fit: what its processor does with an image that is not square.
    """

    name: str
    model: str
    config: str
    whole: str | None = None
    class_token: bool = False
    norms_last: bool = True
    any_size: bool = False
    mode: Mode = "bicubic"
    antialias: bool = False
    takes_patches: bool = False
    mean: Triple = CLIP_MEAN
    std: Triple = CLIP_STD
    fit: Fit = "crop"

    def own_size(self, config: Any) -> int:
        """Pixels of a view's side that the position embeddings are made for."""
        if hasattr(config, "image_size"):
            return config.image_size
        return round(config.num_patches**0.5) * config.patch_size

    def registers(self, config: Any) -> int:
        """Tokens between the class token and the patches."""
        return getattr(config, "num_register_tokens", 0)

    def blocks(self, core: Any) -> nn.ModuleList:
        """The encoder's layers."""
        encoder = core.encoder
        return encoder.layers if hasattr(encoder, "layers") else encoder.layer

    def final_norm(self, core: Any) -> nn.Module:
        """The norm behind the last layer."""
        return core.layernorm if hasattr(core, "layernorm") else core.post_layernorm

    def positions(self, core: Any) -> Tensor:
        """(class token + side * side, width) position embeddings."""
        embeddings = core.embeddings
        if hasattr(embeddings, "position_embeddings"):
            return embeddings.position_embeddings[0]
        return embeddings.position_embedding.weight

    def positions_of(self, core: Any, grid: Grid) -> Tensor:
        """Position embeddings for a grid, the class token's in front."""
        return resample(
            self.positions(core),
            grid,
            before=int(self.class_token),
            mode=self.mode,
            antialias=self.antialias,
        )

    def before_patches(self, core: Any) -> list[Tensor]:
        """The class token and the registers, (1, width) or (registers, width) each, without positions."""
        if not self.class_token:
            return []
        embeddings = core.embeddings
        if hasattr(embeddings, "class_embedding"):
            return [embeddings.class_embedding[None]]
        registers = getattr(embeddings, "register_tokens", None)
        return [embeddings.cls_token[0], *([] if registers is None else [registers[0]])]

    def embed_patches(self, core: Any, patches: Tensor) -> Tensor:
        """(patches, 3, side, side) pixels to (patches, width) without positions."""
        embeddings = core.embeddings
        module = getattr(embeddings, "patch_embedding", None)
        if module is None:
            module = embeddings.patch_embeddings.projection
        pixels = patches.to(module.weight.dtype)
        if isinstance(module, nn.Linear):  # SigLIP 2 flattens a patch with its channels last
            return module(pixels.permute(0, 2, 3, 1).flatten(1))
        return module(pixels).flatten(1)

    def embed_views(self, core: Any, pixels: Tensor, grid: Grid) -> Tensor:
        """(views, 3, size, size) pixels to (views, tokens, width), with class tokens and positions."""
        if not self.takes_patches:
            return core.embeddings(pixels)
        side = core.config.patch_size
        seen = pixels[:, :, : grid.rows * side, : grid.cols * side]
        patches = seen.unflatten(3, (grid.cols, side)).unflatten(2, (grid.rows, side))
        patches = patches.permute(0, 2, 4, 1, 3, 5)
        state = self.embed_patches(core, patches.flatten(0, 2)).unflatten(0, (len(pixels), grid.cells))
        return state + self.positions_of(core, grid)


_HALF: Triple = (0.5, 0.5, 0.5)
_IMAGENET_MEAN: Triple = (0.485, 0.456, 0.406)
_IMAGENET_STD: Triple = (0.229, 0.224, 0.225)

FAMILIES = {
    "clip_vision_model": Family(
        "CLIP", "CLIPVisionModel", "CLIPVisionConfig", "clip", class_token=True, norms_last=False
    ),
    "siglip_vision_model": Family(
        "SigLIP", "SiglipVisionModel", "SiglipVisionConfig", "siglip", mean=_HALF, std=_HALF, fit="stretch"
    ),
    "siglip2_vision_model": Family(
        "SigLIP 2",
        "Siglip2VisionModel",
        "Siglip2VisionConfig",
        "siglip2",
        any_size=True,
        mode="bilinear",
        antialias=True,
        takes_patches=True,
        mean=_HALF,
        std=_HALF,
        fit="stretch",
    ),
    "dinov2": Family(
        "DINOv2",
        "Dinov2Model",
        "Dinov2Config",
        class_token=True,
        any_size=True,
        mean=_IMAGENET_MEAN,
        std=_IMAGENET_STD,
    ),
    "dinov2_with_registers": Family(
        "DINOv2 with registers",
        "Dinov2WithRegistersModel",
        "Dinov2WithRegistersConfig",
        class_token=True,
        any_size=True,
        antialias=True,
        mean=_IMAGENET_MEAN,
        std=_IMAGENET_STD,
    ),
}
"""By the ``model_type`` of the vision configuration."""


def family_of(content: dict[str, Any], source: str) -> tuple[Family, dict[str, Any]]:
    """The family of a ``config.json``, and its vision part.

    Raises:
        UserError: if it is of no kind that mmtune reads.
    """
    kind = content.get("model_type")
    for family in FAMILIES.values():
        if family.whole is not None and kind == family.whole:
            return family, content.get("vision_config") or {}
    if kind not in FAMILIES:
        raise UserError(
            f"a vision tower of type {kind!r} is not supported",
            source,
            "use a CLIP, SigLIP, SigLIP 2, DINOv2 or open_clip checkpoint",
        )
    return FAMILIES[kind], content
