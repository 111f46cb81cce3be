"""The vision tower: pixels of views in, features of their patches out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mmtune.errors import UserError
from mmtune.images.geometry import Grid, ViewGeometry, ViewTokens
from mmtune.models.config import Select


class VisionTower(nn.Module, ABC):
    """Something that sees.

    Args:
        geometry: the view that the tower takes.
        width: channels of a feature.
    """

    native: ClassVar[bool] = False
    """Whether it also takes patch grids of each image's own shape."""

    def __init__(self, *, geometry: ViewGeometry, width: int) -> None:
        super().__init__()
        self.geometry = geometry
        self.width = width

    @property
    def grid(self) -> Grid:
        """Patch grid of one view."""
        return self.geometry.grid

    @property
    def tokens(self) -> ViewTokens:
        """Features of one view."""
        return ViewTokens(self.grid.cells, self.grid)

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """``library`` and ``config`` that ``restore_vision`` rebuilds the tower from."""

    @abstractmethod
    def blocks(self) -> list[nn.Module]:
        """The blocks that are run, the units of sharding and checkpointing."""

    @abstractmethod
    def unused(self) -> list[nn.Module | nn.Parameter]:
        """What the features do not depend on: later blocks, the final norm, pooling heads."""

    @abstractmethod
    def enable_gradient_checkpointing(self) -> None:
        """Recompute each block in the backward pass instead of keeping its activations."""

    @abstractmethod
    def forward(self, pixels: Tensor) -> Tensor:
        """Features of views.

        Args:
            pixels: (views, 3, size, size), normalised as ``geometry`` says.

        Returns:
            (views, ``tokens.count``, ``width``), patches in row-major order.
        """

    def encode_grids(self, patches: Tensor, grids: Sequence[Grid]) -> Tensor:
        """Features of images of different shapes, all in one pass.

        Args:
            patches: (patches of all images, 3, patch, patch), the images end to end, each row by row.
            grids: patch grid of each image.

        Returns:
            (patches of all images, ``width``), without class tokens.

        Raises:
            UserError: if this tower sees views of one size only.
        """
        raise UserError("this vision tower sees views of one size only", "model.image_policy")

    def unused_parameters(self) -> list[nn.Parameter]:
        """Parameters that must stay frozen: a gradient never reaches them, and DDP would wait for one."""
        found: list[nn.Parameter] = []
        for item in self.unused():
            found.extend([item] if isinstance(item, nn.Parameter) else item.parameters())
        return found


@dataclass(frozen=True)
class Library:
    """How a library's towers are made."""

    load: Callable[..., LayeredTower]
    """``(config, *, meta)`` to the tower of a ``VisionConfig``, whose name is without the library's."""
    new: Callable[..., LayeredTower]
    """``(settings, geometry, *, layer, select, final_norm, meta)`` to one with fresh weights, of the settings
    that ``describe`` gave."""


class LayeredTower(VisionTower):
    """A tower that is read at one of its hidden states.

    Args:
        geometry: the view that the tower takes.
        width: channels of a feature.
        layers: blocks that the tower has.
        layer: hidden state to read, as in ``VisionConfig.layer``.
        select: which tokens to read, as in ``VisionConfig.select``.
        class_token: whether a class token stands in front of the patches.
        registers: tokens between the class token and the patches, which are never read.

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
        registers: int = 0,
    ) -> None:
        super().__init__(geometry=geometry, width=width)
        self.class_token = class_token
        self.before_patches = int(class_token) + registers
        """Tokens in front of the patches."""
        self.select: Select = select
        self.depth = layer if layer >= 0 else layers + 1 + layer
        """Blocks that are run."""
        self.is_last = self.depth == layers
        """Whether all of them are."""
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
    def tokens(self) -> ViewTokens:
        """Features of one view."""
        if self.select == "cls_patch":
            return ViewTokens(self.grid.cells + 1, None)
        return ViewTokens(self.grid.cells, self.grid)

    @abstractmethod
    def hidden_state(self, pixels: Tensor) -> Tensor:
        """The chosen hidden state, (views, tokens before the patches + patches, width)."""

    def forward(self, pixels: Tensor) -> Tensor:
        """(views, 3, size, size) to (views, ``tokens.count``, ``width``), patches in row-major order."""
        state = self.hidden_state(pixels)
        patches = state[:, self.before_patches :]
        if self.select == "cls_patch":
            # Without registers this is the state itself; they would stand between the two.
            return state if self.before_patches == 1 else torch.cat([state[:, :1], patches], dim=1)
        return patches
