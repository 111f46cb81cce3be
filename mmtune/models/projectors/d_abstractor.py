"""``d_abstractor``: queries that each sample a few places of the image (Honeybee, deformable attention)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmtune.errors import UserError
from mmtune.images.geometry import Grid, ViewTokens
from mmtune.models.config import ProjectorConfig
from mmtune.models.projectors.attention import Attention
from mmtune.models.projectors.base import Projector, Text, need_grid
from mmtune.models.projectors.grids import pool, positions, square_side


@dataclass
class DAbstractorSettings:
    """Size of the abstractor; the defaults are Honeybee's."""

    tokens: int = 144
    """Visual tokens of a view, a square number."""
    layers: int = 6
    """Layers of self-attention, sampling and feed-forward."""
    width: int = 1024
    """Channels inside."""
    heads: int = 8
    """Attention heads; they divide ``width``."""
    points: int = 4
    """Places of the image that each head of each query samples."""


class DeformableAttention(nn.Module):
    """Each head of a query samples a few places around the query's own point and weighs what it finds.

    Args:
        width: channels; divided by ``heads``.
        heads: attention heads.
        points: places of each head.

    Raises:
        UserError: if the heads do not divide the width.

    Source: Deformable DETR, one feature level, bilinear sampling by ``grid_sample``. On a GPU the gradient
    of ``grid_sample`` is a sum in no fixed order, so two runs may differ in the last digits.
    """

    def __init__(self, width: int, heads: int, points: int) -> None:
        super().__init__()
        if width % heads:
            raise UserError(
                f"{heads} heads do not divide the projector's width of {width}",
                "model.projector.settings.heads",
                "choose a divisor of the width",
            )
        self.heads, self.points = heads, points
        self.offset = nn.Linear(width, heads * points * 2)
        self.weight = nn.Linear(width, heads * points)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self._start()

    def _start(self) -> None:
        """Each head looks in a direction of its own, each point a patch further; all weigh the same."""
        nn.init.zeros_(self.offset.weight)
        nn.init.zeros_(self.weight.weight)
        nn.init.zeros_(self.weight.bias)
        angles = torch.arange(self.heads) * (2 * math.pi / self.heads)
        directions = torch.stack([angles.cos(), angles.sin()], dim=1)
        directions = directions / directions.abs().amax(dim=1, keepdim=True)
        steps = torch.arange(1, self.points + 1)
        with torch.no_grad():
            self.offset.bias.copy_((directions[:, None] * steps[None, :, None]).flatten())

    def forward(self, queries: Tensor, points: Tensor, features: Tensor, grid: Grid) -> Tensor:
        """Sample the image.

        Args:
            queries: (views, queries, width).
            points: (queries, 2) column and row of each query's own point, 0 to 1 over the image.
            features: (views, grid.cells, width).
            grid: arrangement of the features.

        Returns:
            (views, queries, width).
        """
        views, count, _ = queries.shape
        # In bfloat16 a place is up to a tenth of a patch off, and grid_sample lacks it on some devices.
        offsets = self.offset(queries).float().view(views, count, self.heads, self.points, 2)
        patches = offsets.new_tensor([grid.cols, grid.rows])
        places = points.float()[None, :, None, None] + offsets / patches
        weights = self.weight(queries).view(views, count, self.heads, self.points).softmax(-1)
        # (views * heads, channels of a head, rows, cols)
        maps = self.value(features).transpose(1, 2).reshape(views * self.heads, -1, grid.rows, grid.cols)
        around = places.transpose(1, 2).flatten(0, 1) * 2 - 1
        found = F.grid_sample(maps.float(), around, align_corners=False).to(maps.dtype)
        weighed = (found * weights.transpose(1, 2).reshape(views * self.heads, 1, count, -1)).sum(-1)
        return self.out(weighed.view(views, -1, count).transpose(1, 2))


class _Layer(nn.Module):
    """Self-attention, sampling, feed-forward; norms come last."""

    def __init__(self, size: DAbstractorSettings) -> None:
        super().__init__()
        self.attention = Attention(size.width, size.heads)
        self.attention_norm = nn.LayerNorm(size.width)
        self.sample = DeformableAttention(size.width, size.heads, size.points)
        self.sample_norm = nn.LayerNorm(size.width)
        self.feed = nn.Sequential(
            nn.Linear(size.width, size.width), nn.ReLU(), nn.Linear(size.width, size.width)
        )
        self.feed_norm = nn.LayerNorm(size.width)

    def forward(self, queries: Tensor, place: Tensor, points: Tensor, features: Tensor, grid: Grid) -> Tensor:
        asking = queries + place
        queries = self.attention_norm(queries + self.attention(asking, asking, values=queries))
        queries = self.sample_norm(queries + self.sample(queries + place, points, features, grid))
        return self.feed_norm(queries + self.feed(queries))


class DAbstractorProjector(Projector):
    """Any square number of tokens; where each looks is learned and depends on what it has seen.

    Source: the D-Abstractor of Honeybee with one feature level: queries start as the pooled image, learned
    points as an even grid. The image's learned positions are sines and cosines here, so that any grid has
    them.
    """

    Settings = DAbstractorSettings
    settings: DAbstractorSettings

    def __init__(self, config: ProjectorConfig, vision_width: int, language_width: int) -> None:
        super().__init__(config, vision_width, language_width)
        size = self.settings
        side = square_side(size.tokens)
        self.pooled = Grid(side, side)
        self.into = nn.Linear(vision_width, size.width)
        self.places = nn.Parameter(torch.randn(size.tokens, size.width) * 0.02)
        middles = (torch.arange(side) + 0.5) / side
        rows, cols = torch.meshgrid(middles, middles, indexing="ij")
        self.points = nn.Parameter(torch.stack([cols, rows], dim=2).flatten(0, 1))
        self.layers = nn.ModuleList(_Layer(size) for _ in range(size.layers))
        self.out = nn.Linear(size.width, language_width)

    def out_tokens(self, tokens: ViewTokens) -> ViewTokens:
        """The grid of the queries, whatever the grid of the features."""
        need_grid(tokens.grid, "d_abstractor")
        return ViewTokens(self.pooled.cells, self.pooled)

    def forward(self, features: Tensor, grid: Grid | None, text: Text | None = None) -> Tensor:
        """(views, tokens, vision_width) to (views, settings.tokens, language_width)."""
        grid = need_grid(grid, "d_abstractor")
        features = self.into(features.to(self.dtype))
        features = features + positions(grid, self.settings.width, features.device).to(features.dtype)
        queries = pool(features, grid, self.pooled)
        for layer in self.layers:
            queries = layer(queries, self.places, self.points, features, grid)
        return self.out(queries)
