"""Grids of features: pooling, shuffling, and positions that any size of grid has."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from mmtune.errors import UserError
from mmtune.images.geometry import Grid


def square_side(tokens: int) -> int:
    """Side of the square grid that holds this many tokens.

    Raises:
        UserError: if the number is not square.
    """
    side = math.isqrt(tokens)
    if side * side != tokens:
        raise UserError(
            f"{tokens} visual tokens do not fill a square grid",
            "model.projector.settings.tokens",
            f"use a square number such as {side * side}",
        )
    return side


def at_most(grid: Grid, side: int) -> Grid:
    """The grid that pooling to ``side`` rows and columns gives: no side is ever made longer."""
    return Grid(min(side, grid.rows), min(side, grid.cols))


def pool(features: Tensor, grid: Grid, out: Grid) -> Tensor:
    """Average the cells of a grid that fall on each cell of a coarser one, row-major.

    The same numbers as adaptive average pooling, as two matrix products: their gradient is deterministic on
    a GPU, too.

    Args:
        features: (views, grid.cells, width).
        grid: arrangement of the features.
        out: arrangement of the result.

    Returns:
        (views, out.cells, width).
    """
    rows = _averages(grid.rows, out.rows).to(features)
    cols = _averages(grid.cols, out.cols).to(features)
    cells = features.unflatten(1, (grid.rows, grid.cols))
    return torch.einsum("pr,qc,nrcd->npqd", rows, cols, cells).flatten(1, 2)


def _averages(length: int, out: int) -> Tensor:
    """(out, length) weights of the average over the cells from floor(i n / m) to ceil((i + 1) n / m)."""
    weights = torch.zeros(out, length)
    for place in range(out):
        start, end = place * length // out, -(-(place + 1) * length // out)
        weights[place, start:end] = 1 / (end - start)
    return weights


def shuffle(features: Tensor, grid: Grid, factor: int) -> Tensor:
    """Put the channels of each ``factor`` x ``factor`` block of cells side by side, zeros for missing cells.

    Args:
        features: (views, grid.cells, width).
        grid: arrangement of the features.
        factor: cells of a block's side.

    Returns:
        (views, blocks, factor * factor * width), row-major; inside a block row-major, too.
    """
    cells = features.unflatten(1, (grid.rows, grid.cols))
    out = shuffled(grid, factor)
    missing = (out.rows * factor - grid.rows, out.cols * factor - grid.cols)
    cells = F.pad(cells, (0, 0, 0, missing[1], 0, missing[0]))
    blocks = cells.unflatten(1, (out.rows, factor)).unflatten(3, (out.cols, factor))
    return blocks.transpose(2, 3).flatten(3).flatten(1, 2)


def shuffled(grid: Grid, factor: int) -> Grid:
    """The grid of blocks that ``shuffle`` makes."""
    return Grid(-(-grid.rows // factor), -(-grid.cols // factor))


def positions(grid: Grid, width: int, device: torch.device) -> Tensor:
    """Sines and cosines of each cell's row and column, (grid.cells, width) float32, without a weight.

    Half the channels tell the row and half the column; a grid of any size has them, so that a projector is
    not bound to the grid that it was trained on.
    """
    half = -(-width // 2)
    rows = line_positions(grid.rows, half, device).unsqueeze(1).expand(-1, grid.cols, -1)
    cols = line_positions(grid.cols, half, device).unsqueeze(0).expand(grid.rows, -1, -1)
    return torch.cat([rows, cols], dim=2).flatten(0, 1)[:, :width]


def line_positions(length: int, width: int, device: torch.device) -> Tensor:
    """Sines and cosines of places on a line, (length, width) float32.

    Source: "Attention Is All You Need", section 3.5.
    """
    pairs = -(-width // 2)
    rates = 10_000.0 ** (-torch.arange(pairs, device=device) / max(pairs, 1))
    angles = torch.arange(length, device=device).unsqueeze(1) * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)[:, :width]
