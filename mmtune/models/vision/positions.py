"""Position embeddings for another grid than the one that a tower was trained on."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from mmtune.images.geometry import Grid

Mode = Literal["bicubic", "bilinear"]


def resample(
    embeddings: Tensor, grid: Grid, *, before: int = 0, mode: Mode = "bicubic", antialias: bool = False
) -> Tensor:
    """Interpolate learned position embeddings; unchanged where the grid is already theirs.

    Args:
        embeddings: (before + side * side, width), the patches' in row-major order.
        grid: the grid wanted.
        before: embeddings in front, of class tokens, which are kept.
        mode: the filter, each family's own.
        antialias: whether it averages where the grid shrinks.

    Returns:
        (before + grid.cells, width), of the same type.

    Source: ``interpolate_pos_encoding`` of transformers, computed in float32.
    """
    front, patches = embeddings[:before], embeddings[before:]
    side = round(patches.shape[0] ** 0.5)
    if (side, side) == (grid.rows, grid.cols):
        return embeddings
    picture = patches.float().T.reshape(1, -1, side, side)
    sized = F.interpolate(
        picture, (grid.rows, grid.cols), mode=mode, align_corners=False, antialias=antialias
    )
    return torch.cat([front, sized[0].flatten(1).T.to(embeddings.dtype)])
