"""Several towers that look at the same view, their features joined patch by patch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmtune.images.geometry import Grid, ViewTokens
from mmtune.models.config import Fuse
from mmtune.models.vision.base import LayeredTower, VisionTower


class FusedTower(VisionTower):
    """Towers side by side.

    The view is the first tower's: each of the others sees the same pixels, standardised with its own mean and
    deviation. Where a tower's patches are of another size its features are interpolated to the first one's
    grid.

    ``channel`` puts the features of a patch behind each other in one token, as prismatic does with DINOv2 and
    SigLIP. ``interleave`` makes a token of each tower's feature of a patch, in the order of the towers, as
    Mixture-of-Features does. Such a token has channels for every tower and is zero in those of the others, so
    that the projector's first layer has weights of its own for each tower; its later layers are shared, where
    the paper has an adapter for each.

    Args:
        towers: two or more, all for views of one size.
        fuse: how to join.

    Source: prismatic-vlms (arXiv 2402.07865); Mixture-of-Features (arXiv 2401.06209).
    """

    def __init__(self, towers: Sequence[LayeredTower], *, fuse: Fuse) -> None:
        first = towers[0]
        super().__init__(geometry=first.geometry, width=sum(tower.width for tower in towers))
        self.towers: Any = nn.ModuleList(towers)
        self.fuse: Fuse = fuse

    @property
    def tokens(self) -> ViewTokens:
        """Features of one view; interleaved ones stand beside each other in a row of the grid."""
        grid = self.grid
        if self.fuse == "interleave":
            grid = Grid(grid.rows, grid.cols * len(self.towers))
        return ViewTokens(grid.cells, grid)

    def describe(self) -> dict[str, Any]:
        """What each tower is rebuilt from, with its view and what is read of it."""
        members = [
            {
                **tower.describe(),
                "geometry": asdict(tower.geometry),
                "layer": tower.depth,
                "final_norm": getattr(tower, "final_norm", False),
            }
            for tower in self.towers
        ]
        return {"library": "fused", "config": {"fuse": self.fuse, "towers": members}}

    def blocks(self) -> list[nn.Module]:
        """The blocks of all towers, tower by tower."""
        return [block for tower in self.towers for block in tower.blocks()]

    def unused(self) -> list[nn.Module | nn.Parameter]:
        """What the features of each tower do not depend on."""
        return [item for tower in self.towers for item in tower.unused()]

    def enable_gradient_checkpointing(self) -> None:
        """Recompute each block of each tower in the backward pass."""
        for tower in self.towers:
            tower.enable_gradient_checkpointing()

    def forward(self, pixels: Tensor) -> Tensor:
        """(views, 3, size, size) to (views, ``tokens.count``, ``width``)."""
        features = [self._on_first_grid(t, t(self._as_seen_by(t, pixels))) for t in self.towers]
        if self.fuse == "channel":
            return torch.cat(features, dim=-1)
        before = 0
        for place, one in enumerate(features):
            features[place] = F.pad(one, (before, self.width - before - one.shape[-1]))
            before += one.shape[-1]
        return torch.stack(features, dim=2).flatten(1, 2)

    def _as_seen_by(self, tower: VisionTower, pixels: Tensor) -> Tensor:
        """Pixels standardised for the first tower, standardised for another."""
        here, there = self.geometry, tower.geometry
        if (here.mean, here.std) == (there.mean, there.std):
            return pixels
        shape = (1, 3, 1, 1)
        scale = torch.tensor([a / b for a, b in zip(here.std, there.std, strict=True)])
        means = zip(here.mean, there.mean, there.std, strict=True)
        shift = torch.tensor([(a - b) / deviation for a, b, deviation in means])
        return pixels * scale.to(pixels).view(shape) + shift.to(pixels).view(shape)

    def _on_first_grid(self, tower: VisionTower, features: Tensor) -> Tensor:
        """Features of a tower at the places of the first one's patches."""
        own, wanted = tower.grid, self.grid
        if own == wanted:
            return features
        picture = features.transpose(1, 2).unflatten(2, (own.rows, own.cols))
        sized = F.interpolate(picture, (wanted.rows, wanted.cols), mode="bilinear", align_corners=False)
        return sized.flatten(2).transpose(1, 2)
