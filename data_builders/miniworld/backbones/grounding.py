"""What stands where: the words of an object, learnt at the patch that holds its centre.

A caption says what is in a picture but not at which patch, which takes a tower many times longer to find out
than being told. The heads are thrown away afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from data_builders.miniworld.backbones.squares import SIDE, square_of
from data_builders.miniworld.describing import color_of, size_of
from data_builders.miniworld.vocabulary import CLASSES, COLORS, SIZES, WORDS
from data_builders.scenes import Scene

TEXTS = (*(str(digit) for digit in range(10)), *WORDS)
NOTHING = 0
IGNORED = -100
_PARTS = {
    "class": 1 + len(CLASSES),
    "color": len(COLORS),
    "size": len(SIZES),
    "text": len(TEXTS),
    "column": SIDE,
    "line": SIDE,
}
_WEIGHTS = {"class": 3.0}


def targets(scenes: Sequence[Scene], grid: int) -> Tensor:
    """What each patch has to tell.

    Args:
        scenes: of square pictures.
        grid: patches a side.

    Returns:
        (scenes, patches, 6) class (0 where no object has its centre), colour, size, text, column and line of
        its square; ``IGNORED`` where there is none.
    """
    labels = np.full((len(scenes), grid * grid, len(_PARTS)), IGNORED)
    labels[:, :, 0] = NOTHING
    for row, scene in enumerate(scenes):
        for item in scene.objects:
            column, line = (min(grid - 1, int(grid * part / scene.width)) for part in item.center)
            size = size_of(item)
            labels[row, line * grid + column] = (
                1 + CLASSES.index(item.name),
                list(COLORS).index(color_of(item)),
                IGNORED if size is None else SIZES.index(size),
                IGNORED if item.text is None else TEXTS.index(item.text),
                *square_of(scene, item),
            )
    return torch.from_numpy(labels)


class Heads(nn.Module):
    """One linear layer from a patch to class, colour, size, text, column and line.

    Args:
        width: of the patches.
    """

    class_weights: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, sum(_PARTS.values()))
        weights = torch.ones(_PARTS["class"])
        weights[NOTHING] = 0.5  # most patches hold no centre
        self.register_buffer("class_weights", weights)

    def forward(self, patches: Tensor, labels: Tensor) -> tuple[Tensor, dict[str, float]]:
        """The loss, and the share of objects that are named rightly, part by part.

        Args:
            patches: (n, patches, width).
            labels: as ``targets`` gives them.
        """
        words = self.linear(patches).split(tuple(_PARTS.values()), dim=-1)
        there = labels[..., 0] != NOTHING
        loss, shares = patches.new_zeros(()), {}
        for number, name in enumerate(_PARTS):
            told = there & (labels[..., number] != IGNORED)
            if not told.any():
                continue
            loss = loss + _WEIGHTS.get(name, 1.0) * torch.nn.functional.cross_entropy(
                words[number].flatten(0, 1),
                labels[..., number].flatten(),
                weight=self.class_weights if name == "class" else None,
                ignore_index=IGNORED,
            )
            right = words[number].detach()[told].argmax(-1) == labels[..., number][told]
            shares[name] = float(right.float().mean())
        return loss, shares
