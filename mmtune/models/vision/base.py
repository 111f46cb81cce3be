"""The vision tower: pixels of views in, features of their patches out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn

from mmtune.errors import UserError
from mmtune.images.geometry import Grid, ViewGeometry, ViewTokens
from mmtune.models.config import Select


class VisionTower(nn.Module, ABC):
    """A vision transformer read at one of its hidden states.

    Args:
        geometry: the view that the tower takes.
        width: channels of a feature.
        layers: blocks that the tower has.
        layer: hidden state to read, as in ``VisionConfig.layer``.
        select: which tokens to read, as in ``VisionConfig.select``.
        class_token: whether a class token stands in front of the patches.

    Raises:
        UserError: if there is no such hidden state, or no class token to keep.
    """

    def __init__(
        self,
        *,
        geometry: ViewGeometry,
        width: int,
        layers: int,
        layer: int,
        select: Select,
        class_token: bool,
    ) -> None:
        super().__init__()
        self.geometry = geometry
        self.width = width
        self.class_token = class_token
        self.select: Select = select
        self.depth = layer if layer >= 0 else layers + 1 + layer
        """Blocks that are run."""
        if not 1 <= self.depth <= layers:
            raise UserError(
                f"the vision tower has {layers} blocks, so there is no layer {layer}",
                "model.vision.layer",
                f"use 1 to {layers}, or -1 to -{layers}",
            )
        if select == "cls_patch" and not class_token:
            raise UserError(
                "the vision tower has no class token to keep", "model.vision.select", "use select: patch"
            )

    @property
    def grid(self) -> Grid:
        """Patch grid of one view."""
        return self.geometry.grid

    @property
    def tokens(self) -> ViewTokens:
        """Features of one view."""
        if self.select == "cls_patch":
            return ViewTokens(self.grid.cells + 1, None)
        return ViewTokens(self.grid.cells, self.grid)

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """``library`` and ``config`` that ``restore_vision`` rebuilds the tower from."""

    @abstractmethod
    def hidden_state(self, pixels: Tensor) -> Tensor:
        """The chosen hidden state, (views, class token + patches, width), without a final norm."""

    @abstractmethod
    def blocks(self) -> list[nn.Module]:
        """The transformer blocks that are run, the units of sharding and checkpointing."""

    @abstractmethod
    def unused(self) -> list[nn.Module | nn.Parameter]:
        """What the chosen hidden state does not depend on: later blocks, the final norm, pooling heads."""

    @abstractmethod
    def enable_gradient_checkpointing(self) -> None:
        """Recompute each block in the backward pass instead of keeping its activations."""

    def unused_parameters(self) -> list[nn.Parameter]:
        """Parameters that must stay frozen: a gradient never reaches them, and DDP would wait for one."""
        found: list[nn.Parameter] = []
        for item in self.unused():
            found.extend([item] if isinstance(item, nn.Parameter) else item.parameters())
        return found

    def forward(self, pixels: Tensor) -> Tensor:
        """Features of views.

        Args:
            pixels: (views, 3, size, size), normalised as ``geometry`` says.

        Returns:
            (views, ``tokens.count``, ``width``), patches in row-major order.
        """
        state = self.hidden_state(pixels)
        if self.class_token and self.select == "patch":
            return state[:, 1:]
        return state
