"""``c_abstractor``: convolutions, average pooling, convolutions (Honeybee)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from mmtune.images.geometry import Grid, ViewTokens
from mmtune.models.config import ProjectorConfig
from mmtune.models.projectors.base import Projector, Text, need_grid
from mmtune.models.projectors.grids import at_most, pool, positions, square_side
from mmtune.models.projectors.mlp import mlp


@dataclass
class CAbstractorSettings:
    """Size of the abstractor; the defaults are Honeybee's."""

    tokens: int = 144
    """Most visual tokens of a view, a square number; a grid with a shorter side keeps that side."""
    blocks: int = 3
    """Convolution blocks before the pooling, and as many behind it."""
    width: int = 1024
    """Channels inside."""


class _ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of (views, channels, rows, cols)."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class _Block(nn.Module):
    """RegNet's block: pointwise, 3 x 3 by channel, squeeze-and-excitation, pointwise, and a way around."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        squeezed = max(1, width_in // 4)
        self.into = nn.Conv2d(width_in, width, 1, bias=False)
        self.into_norm = _ChannelNorm(width)
        self.mix = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
        self.mix_norm = _ChannelNorm(width)
        self.squeeze = nn.Conv2d(width, squeezed, 1)
        self.excite = nn.Conv2d(squeezed, width, 1)
        self.out = nn.Conv2d(width, width, 1, bias=False)
        self.out_norm = _ChannelNorm(width)
        around: list[nn.Module] = []
        if width_in != width:
            around = [nn.Conv2d(width_in, width, 1, bias=False), _ChannelNorm(width)]
        self.around = nn.Sequential(*around)
        self.act = nn.SiLU()

    def forward(self, maps: Tensor) -> Tensor:
        inside = self.act(self.into_norm(self.into(maps)))
        inside = self.act(self.mix_norm(self.mix(inside)))
        gate = self.excite(self.act(self.squeeze(inside.mean((2, 3), keepdim=True)))).sigmoid()
        return self.act(self.out_norm(self.out(inside * gate)) + self.around(maps))


class CAbstractorProjector(Projector):
    """Any square number of tokens, and each still knows its neighbourhood.

    Source: the C-Abstractor of Honeybee: RegNet blocks with layer norm and SiLU around an adaptive average
    pooling, and an MLP. Its learned positions are sines and cosines here, so that any grid has them.
    """

    Settings = CAbstractorSettings
    settings: CAbstractorSettings
    ends_in_mlp = True

    def __init__(self, config: ProjectorConfig, vision_width: int, language_width: int) -> None:
        super().__init__(config, vision_width, language_width)
        size = self.settings
        self.side = square_side(size.tokens)
        widths = [vision_width] + [size.width] * size.blocks
        self.before = nn.Sequential(*(_Block(a, b) for a, b in pairwise(widths)))
        self.after = nn.Sequential(*(_Block(size.width, size.width) for _ in range(size.blocks)))
        self.layers = mlp(size.width, language_width, config.linear_layers)

    def out_tokens(self, tokens: ViewTokens) -> ViewTokens:
        """The pooled grid."""
        pooled = at_most(need_grid(tokens.grid, "c_abstractor"), self.side)
        return ViewTokens(pooled.cells, pooled)

    def forward(self, features: Tensor, grid: Grid | None, text: Text | None = None) -> Tensor:
        """(views, tokens, vision_width) to (views, pooled tokens, language_width)."""
        grid = need_grid(grid, "c_abstractor")
        pooled = at_most(grid, self.side)
        features = features.to(self.dtype)
        features = features + positions(grid, self.vision_width, features.device).to(features.dtype)
        features = pool(_cells(self.before(_maps(features, grid))), grid, pooled)
        return self.layers(_cells(self.after(_maps(features, pooled))))


def _maps(features: Tensor, grid: Grid) -> Tensor:
    """(views, cells, width) to (views, width, rows, cols)."""
    return features.transpose(1, 2).unflatten(2, (grid.rows, grid.cols))


def _cells(maps: Tensor) -> Tensor:
    """(views, width, rows, cols) to (views, cells, width)."""
    return torch.flatten(maps, 2).transpose(1, 2)
