"""``pixel_shuffle``: neighbouring patches become the channels of one token, then an MLP."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from mmtune.images.geometry import Grid, ViewTokens
from mmtune.models.config import ProjectorConfig
from mmtune.models.projectors.base import Projector, Text, need_grid
from mmtune.models.projectors.grids import shuffle, shuffled
from mmtune.models.projectors.mlp import mlp


@dataclass
class PixelShuffleSettings:
    """How many patches make a token."""

    factor: int = 2
    """Patches of a token's side: 2 makes four patches one token."""


class PixelShuffleProjector(Projector):
    """Nothing is averaged away: a token holds all channels of its patches.

    Where the factor does not divide the grid, zeros fill the last row and column of blocks.

    Source: pixel unshuffling ("space to depth") before the MLP, as InternVL and Idefics3 do.
    """

    Settings = PixelShuffleSettings
    settings: PixelShuffleSettings
    ends_in_mlp = True

    def __init__(self, config: ProjectorConfig, vision_width: int, language_width: int) -> None:
        super().__init__(config, vision_width, language_width)
        width = vision_width * self.settings.factor**2
        self.norm = nn.LayerNorm(width)
        self.layers = mlp(width, language_width, config.linear_layers)

    def out_tokens(self, tokens: ViewTokens) -> ViewTokens:
        """One token a block of patches, in a grid."""
        out = shuffled(need_grid(tokens.grid, "pixel_shuffle"), self.settings.factor)
        return ViewTokens(out.cells, out)

    def forward(self, features: Tensor, grid: Grid | None, text: Text | None = None) -> Tensor:
        """(views, tokens, vision_width) to (views, blocks, language_width)."""
        grid = need_grid(grid, "pixel_shuffle")
        return self.layers(self.norm(shuffle(features.to(self.dtype), grid, self.settings.factor)))
