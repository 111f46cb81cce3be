"""Vision parts of open_clip that are no vision transformer of its own: timm models and ResNets."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mmtune.errors import UserError
from mmtune.images.geometry import ViewGeometry
from mmtune.models.config import Select
from mmtune.models.vision.base import LayeredTower


class OpenClipFeatureTower(LayeredTower):
    """Any vision part that gives its intermediate features: the blocks of a timm ViT, the stages of a
    ConvNeXt.

    What it is made of is found out by running a twin of it without weights: how many layers there are, the
    shape of the chosen one's features, and which weights they depend on.

    Args:
        visual: the visual part of an open_clip model.
        twin: the same on the meta device.
        settings: ``model_cfg`` of its ``open_clip_config.json``.
        geometry: the view; its ``patch`` is set to what the chosen layer shrinks an image by.
        layer: hidden state to read, as in ``VisionConfig.layer``; the stages of a convolutional network
        count. select: tokens to read, as in ``VisionConfig.select``.
        final_norm: as in ``VisionConfig.final_norm``.

    Raises:
        UserError: if there is no such layer, it does not cover the view evenly, or no norm is behind it.
    """

    def __init__(
        self,
        visual: nn.Module,
        twin: nn.Module,
        settings: dict[str, Any],
        geometry: ViewGeometry,
        *,
        layer: int,
        select: Select,
        final_norm: bool = False,
    ) -> None:
        trunk: Any = getattr(visual, "trunk", visual)
        blank = torch.zeros(1, 3, geometry.size, geometry.size, device="meta")
        shapes = [state.shape for state in _intermediates(twin.eval(), blank)["image_intermediates"]]
        layers = len(shapes)
        at = layer if layer >= 0 else layers + 1 + layer
        width, rows, cols = shapes[min(max(at, 1), layers) - 1][1:]
        before = getattr(trunk, "num_prefix_tokens", 0)
        class_token = getattr(trunk, "cls_token", None) is not None
        super().__init__(
            geometry=ViewGeometry(**{**vars(geometry), "patch": geometry.size // rows}),
            width=width,
            layers=layers,
            layer=layer,
            select=select,
            class_token=class_token,
            registers=before - class_token,
        )
        if (self.grid.rows, self.grid.cols) != (rows, cols):
            raise UserError(
                f"the features of layer {layer} are a grid of {rows} x {cols},"
                f" which does not divide a view of {geometry.size} pixels",
                "model.vision.image_size",
                f"use a multiple of {geometry.size // rows}",
            )
        if final_norm and not (self.is_last and hasattr(trunk, "blocks")):
            raise UserError(
                "only the last layer of a vision transformer can go through the final norm",
                "model.vision.final_norm",
                "use layer: -1 of one, or leave final_norm out",
            )
        self.settings = settings
        self.final_norm = final_norm
        self.core: Any = visual
        if hasattr(trunk, "patch_drop"):
            trunk.patch_drop = nn.Identity()  # dropped patches would leave placeholders without features
        self._unused_names = self._without_gradient(twin, blank)

    def _without_gradient(self, twin: nn.Module, blank: Tensor) -> set[str]:
        """Names of the weights that the chosen features do not depend on."""
        twin.requires_grad_(True)
        self._state(twin, blank).sum().backward()
        return {name for name, parameter in twin.named_parameters() if parameter.grad is None}

    def describe(self) -> dict[str, Any]:
        """The open_clip ``model_cfg``."""
        return {"library": "open_clip", "config": self.settings}

    def blocks(self) -> list[nn.Module]:
        """Blocks of a transformer, or stages, that are run."""
        trunk = getattr(self.core, "trunk", self.core)
        for name in ("blocks", "stages"):
            if hasattr(trunk, name):
                return list(getattr(trunk, name))[: self.depth]
        stages = [getattr(trunk, f"layer{number}", None) for number in range(1, self.depth)]
        return [stage for stage in stages if isinstance(stage, nn.Module)]

    def unused(self) -> list[nn.Module | nn.Parameter]:
        """Weights behind the chosen layer: later ones, norms, pooling and the projection."""
        return [p for name, p in self.core.named_parameters() if name in self._unused_names]

    def enable_gradient_checkpointing(self) -> None:
        """Recompute each block in the backward pass, where the library can."""
        self.core.set_grad_checkpointing(True)

    def hidden_state(self, pixels: Tensor) -> Tensor:
        """Features of the chosen layer, class token and registers first."""
        return self._state(self.core, pixels.to(next(self.core.parameters()).dtype))

    def _state(self, visual: Any, pixels: Tensor) -> Tensor:
        out = _intermediates(
            visual, pixels, indices=[self.depth - 1], stop_early=True, normalize_intermediates=self.final_norm
        )
        patches = out["image_intermediates"][0].flatten(2).transpose(1, 2)
        front = out.get("image_intermediates_prefix")
        return patches if not front else torch.cat([front[0], patches], dim=1)


def _intermediates(visual: Any, pixels: Tensor, **choice: Any) -> dict[str, Any]:
    """open_clip's own call for intermediate features, (views, width, rows, columns) each."""
    prefix = getattr(getattr(visual, "trunk", None), "num_prefix_tokens", 0) > 0
    return visual.forward_intermediates(
        pixels, intermediates_only=True, output_fmt="NCHW", output_extra_tokens=prefix, **choice
    )
