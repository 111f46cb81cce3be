"""What stands where: the words of an object, learnt at the patch that holds its centre.

A caption says what is in a picture but not at which patch, which takes a tower many times longer to find out
than being told. The heads are thrown away afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from data_builders.miniworld.describing import color_of, size_of
from data_builders.miniworld.vocabulary import CLASSES, COLORS, SIZES, WORDS
from data_builders.scenes import Scene

TEXTS = (*(str(digit) for digit in range(10)), *WORDS)
NOTHING = 0
IGNORED = -100
_PARTS = (1 + len(CLASSES), len(COLORS), len(SIZES), len(TEXTS), 2)
_WEIGHTS = (3.0, 1.0, 1.0, 1.0, 4.0)


def targets(scenes: Sequence[Scene], grid: int) -> tuple[Tensor, Tensor]:
    """What each patch has to tell.

    Args:
        scenes: of square pictures.
        grid: patches a side.

    Returns:
        (scenes, patches, 4) class (0 where no object has its centre), colour, size and text, ``IGNORED``
        where there is none; (scenes, patches, 2) the centre's place in its patch, -0.5 to 0.5.
    """
    labels = np.full((len(scenes), grid * grid, 4), IGNORED)
    labels[:, :, 0] = NOTHING
    places = np.zeros((len(scenes), grid * grid, 2), dtype=np.float32)
    for row, scene in enumerate(scenes):
        for item in scene.objects:
            x, y = (grid * part / scene.width for part in item.center)
            column, line = min(grid - 1, int(x)), min(grid - 1, int(y))
            size = size_of(item)
            labels[row, line * grid + column] = (
                1 + CLASSES.index(item.name),
                list(COLORS).index(color_of(item)),
                IGNORED if size is None else SIZES.index(size),
                IGNORED if item.text is None else TEXTS.index(item.text),
            )
            places[row, line * grid + column] = x - column - 0.5, y - line - 0.5
    return torch.from_numpy(labels), torch.from_numpy(places)


class Heads(nn.Module):
    """One linear layer from a patch to class, colour, size, text and place.

    Args:
        width: of the patches.
    """

    class_weights: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, sum(_PARTS))
        weights = torch.ones(_PARTS[0])
        weights[NOTHING] = 0.5  # most patches hold no centre
        self.register_buffer("class_weights", weights)

    def forward(self, patches: Tensor, labels: Tensor, places: Tensor) -> tuple[Tensor, dict[str, float]]:
        """The loss, and the shares of objects whose class, colour and text are right.

        Args:
            patches: (n, patches, width).
            labels: as ``targets`` gives them.
            places: as ``targets`` gives them.
        """
        *words, where = self.linear(patches).split(_PARTS, dim=-1)
        there = labels[..., 0] != NOTHING
        loss = _WEIGHTS[-1] * (where[there] - places[there]).square().mean()
        shares = {}
        for number, name in enumerate(("class", "color", "size", "text")):
            weight = self.class_weights if number == 0 else None
            told = there & (labels[..., number] != IGNORED)
            if not told.any():
                continue
            loss = loss + _WEIGHTS[number] * torch.nn.functional.cross_entropy(
                words[number].flatten(0, 1),
                labels[..., number].flatten(),
                weight=weight,
                ignore_index=IGNORED,
            )
            right = words[number].detach()[told].argmax(-1) == labels[..., number][told]
            shares[name] = float(right.float().mean())
        return loss, shares
