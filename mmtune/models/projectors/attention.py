"""Attention and feed-forward layers that projectors are built of, in plain torch."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from mmtune.errors import UserError


class Attention(nn.Module):
    """Multi-head attention; every weight is used by the module that owns it, as sharded engines need.

    Args:
        width: channels of the queries and of the output.
        heads: attention heads; they divide ``width``.
        source_width: channels of what is attended to, by default ``width``.

    Raises:
        UserError: if the heads do not divide the width.
    """

    def __init__(self, width: int, heads: int, source_width: int | None = None) -> None:
        super().__init__()
        if width % heads:
            raise UserError(
                f"{heads} heads do not divide the projector's width of {width}",
                "model.projector.settings.heads",
                "choose a divisor of the width",
            )
        source_width = width if source_width is None else source_width
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(source_width, width)
        self.value = nn.Linear(source_width, width)
        self.out = nn.Linear(width, width)

    def forward(
        self, queries: Tensor, source: Tensor, real: Tensor | None = None, *, values: Tensor | None = None
    ) -> Tensor:
        """Attend from queries to a source.

        Args:
            queries: (views, queries, width).
            source: (views, tokens, source_width).
            real: (views, tokens) bool, False where nobody may look; None lets everybody look everywhere.
            values: as ``source``, where what is found differs from what is searched.

        Returns:
            (views, queries, width).
        """
        mask = None if real is None else real[:, None, None, :]
        heads = F.scaled_dot_product_attention(
            self._split(self.query(queries)),
            self._split(self.key(source)),
            self._split(self.value(source if values is None else values)),
            attn_mask=mask,
        )
        return self.out(heads.transpose(1, 2).flatten(2))

    def _split(self, states: Tensor) -> Tensor:
        return states.unflatten(2, (self.heads, -1)).transpose(1, 2)


def feed_forward(width: int, times: int = 4) -> nn.Sequential:
    """Two linear layers with exact GELU between them, ``times`` as wide inside."""
    return nn.Sequential(nn.Linear(width, times * width), nn.GELU(), nn.Linear(times * width, width))
