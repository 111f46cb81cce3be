"""Projecting features of images whose patch grids differ: images of one grid go through together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from mmtune.images.geometry import Grid
from mmtune.models.projectors import Projector, Text


def project_grids(
    projector: Projector, features: Tensor, grids: Sequence[Grid], text: Text | None = None
) -> list[Tensor]:
    """Visual tokens of images of different shapes.

    The number of calls depends on the grids. An engine that gathers the projector's weights at each call
    would wait for ranks that call it less often, so ZeRO-3 refuses the policy.

    Args:
        projector: from features to visual tokens.
        features: (patches of all images, vision width), the images end to end, each row by row.
        grids: patch grid of each image.
        text: one row an image, where the projector reads it.

    Returns:
        For each image (1, tokens, language width).
    """
    places: dict[Grid, list[int]] = {}
    for place, grid in enumerate(grids):
        places.setdefault(grid, []).append(place)
    pieces = features.split([grid.cells for grid in grids])
    found: dict[int, Tensor] = {}
    for grid, members in places.items():
        rows = None
        if text is not None:
            rows = replace(text, states=text.states[members], real=text.real[members])
        tokens = projector(torch.stack([pieces[member] for member in members]), grid, rows)
        found.update(zip(members, tokens.split(1), strict=True))
    return [found[place] for place in range(len(grids))]
