"""Features and instructions for the tests of projectors."""

from __future__ import annotations

import torch

from mmtune.images.geometry import Grid
from mmtune.models.projectors import Text

VISION, LANGUAGE = 24, 32
GRID = Grid(4, 5)


def features(views: int = 3, grid: Grid = GRID, seed: int = 0) -> torch.Tensor:
    return torch.randn(views, grid.cells, VISION, generator=torch.Generator().manual_seed(seed))


def text(*lengths: int, seed: int = 0) -> Text:
    longest = max([*lengths, 1])
    states = torch.randn(len(lengths), longest, LANGUAGE, generator=torch.Generator().manual_seed(seed))
    return Text(states, torch.arange(longest) < torch.tensor(lengths).unsqueeze(1))
