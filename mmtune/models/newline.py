"""The learned newline that image policies put behind each row of visual tokens; it learns with the
projector."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmtune.models.projectors import Projector

NAME = "newline"
"""Name of the module inside the projector, and so of its weight in checkpoints: ``newline.weight``."""


class Newline(nn.Module):
    """One embedding of the language model's width.

    A module of its own, so that an engine that shards weights gathers this one where it is used.

    Args:
        width: channels of the language model's embeddings.

    Source: ``image_newline`` of LLaVA-1.6, initialised as there.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width) * width**-0.5)

    def forward(self) -> Tensor:
        """(width,), apart from the weight, which an engine may free after this call."""
        return self.weight.clone()


def fit_newline(projector: Projector, wanted: bool, *, seed: int = 0) -> None:
    """Give a projector a fresh newline if it needs one and has none, and take away one that it does not need.

    Args:
        projector: changed in place; a new newline is on its device.
        wanted: whether the image policy uses one.
        seed: of the initial weight; the global random state is left as it was.
    """
    if not wanted:
        projector.register_module(NAME, None)
    elif newline_of(projector) is None:
        like = next(projector.parameters())
        with torch.random.fork_rng(devices=[]), torch.device("meta" if like.is_meta else "cpu"):
            torch.default_generator.manual_seed(seed)
            fresh = Newline(projector.language_width)
        projector.register_module(NAME, fresh if like.is_meta else fresh.to(like.device))


def newline_of(projector: Projector) -> Newline | None:
    """The projector's newline, if it has one."""
    found = projector._modules.get(NAME)
    return found if isinstance(found, Newline) else None
