"""``pool``: patches averaged to a coarser grid that keeps their order, then an MLP."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from mmtune.images.geometry import Grid, ViewTokens
from mmtune.models.config import ProjectorConfig
from mmtune.models.projectors.base import Projector, Text, need_grid
from mmtune.models.projectors.grids import at_most, pool, square_side
from mmtune.models.projectors.mlp import mlp


@dataclass
class PoolSettings:
    """How many tokens are left."""

    tokens: int = 144
    """Most visual tokens of a view, a square number; a grid with a shorter side keeps that side."""


class PoolProjector(Projector):
    """Average pooling to any number of tokens; a token's place in the row is its place in the image.

    Source: the pool-adapter of InfMLLM.
    """

    Settings = PoolSettings
    settings: PoolSettings
    ends_in_mlp = True

    def __init__(self, config: ProjectorConfig, vision_width: int, language_width: int) -> None:
        super().__init__(config, vision_width, language_width)
        self.side = square_side(self.settings.tokens)
        self.layers = mlp(vision_width, language_width, config.linear_layers)

    def out_tokens(self, tokens: ViewTokens) -> ViewTokens:
        """The pooled grid."""
        out = at_most(need_grid(tokens.grid, "pool"), self.side)
        return ViewTokens(out.cells, out)

    def forward(self, features: Tensor, grid: Grid | None, text: Text | None = None) -> Tensor:
        """(views, tokens, vision_width) to (views, pooled tokens, language_width)."""
        grid = need_grid(grid, "pool")
        return self.layers(pool(features.to(self.dtype), grid, at_most(grid, self.side)))
