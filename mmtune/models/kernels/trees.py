"""Attention over trees: rows that stand behind a shared trunk, whose keys and values exist once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mmtune.models.kernels.capped import capped_attention

UNSEEN = torch.finfo(torch.float32).min
"""Score of a key that is not seen; finite, so that a row that sees nothing gives numbers, of weight zero."""


@dataclass(frozen=True)
class Spread:
    """Which rows stand behind which trunk, as places in a table of (trunks, most rows of a trunk)."""

    most: int
    """Rows of the trunk with most of them."""
    size: int
    """Places of the table."""
    places: Tensor | None
    """(rows,) place of each row; None where the rows fill the table in order."""

    def out(self, rows: Tensor) -> Tensor:
        """(rows, …) to (places, …), zero where no row is."""
        if self.places is None:
            return rows
        return rows.new_zeros(self.size, *rows.shape[1:]).index_copy_(0, self.places, rows)

    def back(self, table: Tensor) -> Tensor:
        """(places, …) to (rows, …)."""
        return table if self.places is None else table.index_select(0, self.places)


def branch_mask(trunk: int, branches: tuple[int, ...], window: int | None, device: torch.device) -> Tensor:
    """What the tokens of the branches of one trunk see: the trunk, and their own branch up to themselves.

    Args:
        trunk: tokens of the trunk.
        branches: tokens of each branch.
        window: tokens that a token sees at most, itself included; None is no bound.
        device: of the mask.

    Returns:
        (sum of branches, trunk + sum of branches) bool.
    """
    lengths = torch.tensor(branches, device=device)
    total = sum(branches)
    of = torch.arange(len(branches), device=device).repeat_interleave(lengths, output_size=total)
    own = (of.unsqueeze(1) == of.unsqueeze(0)).tril()
    seen = torch.cat([own.new_ones(total, trunk), own], dim=1)
    if window is not None:
        firsts = lengths.cumsum(0) - lengths
        places = trunk + torch.arange(total, device=device) - firsts[of]
        keys = torch.cat([torch.arange(trunk, device=device), places])
        seen &= places.unsqueeze(1) - keys.unsqueeze(0) < window
    return seen


def branches_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor,
    *,
    scale: float | None,
    softcap: float | None,
) -> Tensor:
    """Attention of the branches of one trunk, all in one call.

    Args:
        query: (heads, tokens of the branches, head width).
        key: (key heads, tokens of trunk and branches, head width); ``heads`` is a multiple of ``key heads``.
        value: as ``key``.
        mask: ``branch_mask``, or as numbers to add.
        scale: of the scores; None is 1 / sqrt(head width).
        softcap: bound that scores approach; None is none.

    Returns:
        (heads, tokens, head width).
    """
    q, k, v = (x.unsqueeze(0) for x in (query, key, value))
    if softcap is not None:
        return capped_attention(q, k, v, mask, scale=scale, softcap=softcap)[0]
    grouped = q.shape[1] // k.shape[1]
    if grouped > 1:
        k, v = k.repeat_interleave(grouped, dim=1), v.repeat_interleave(grouped, dim=1)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale)[0]


def next_token_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    *,
    scale: float | None,
    softcap: float | None,
) -> Tensor:
    """Attention of one next token a row over what the row holds, without a trunk.

    Heads that share keys are queries of one head, so that keys and values are never repeated.

    Args:
        query: (rows, heads, head width).
        key: (rows, key heads, slots, head width).
        value: as ``key``.
        mask: (rows, 1, 1, slots) bool, True where a slot is seen; None sees all.
        scale: of the scores; None is 1 / sqrt(head width).
        softcap: bound that scores approach; None is none.

    Returns:
        (rows, heads, head width).
    """
    grouped = _grouped(query, key)
    if softcap is not None:
        if mask is None:
            mask = torch.ones(1, 1, 1, key.shape[2], dtype=torch.bool, device=query.device)
        out = capped_attention(grouped, key, value, mask, scale=scale, softcap=softcap)
    else:
        out = F.scaled_dot_product_attention(grouped, key, value, attn_mask=mask, scale=scale)
    return out.reshape(query.shape)


def next_token_behind_trunk(
    query: Tensor,
    trunk: tuple[Tensor, Tensor],
    own: tuple[Tensor, Tensor],
    spread: Spread,
    trunk_mask: Tensor | None,
    own_mask: Tensor | None,
    *,
    scale: float | None,
    softcap: float | None,
) -> Tensor:
    """Attention of one next token a row over the row's trunk and what the row holds itself.

    The rows of a trunk are queries of one product with its keys, so that these are read once for all of
    them. Both parts are softmaxes of their own, joined by the weight that each has in the whole.

    Args:
        query: (rows, heads, head width).
        trunk: keys and values (trunks, key heads, trunk slots, head width).
        own: keys and values (rows, key heads, slots, head width).
        spread: which rows are whose.
        trunk_mask: (trunks, 1, most rows of a trunk or 1, trunk slots) bool; None sees all.
        own_mask: (rows, 1, 1, slots) bool; None sees all.
        scale: of the scores; None is 1 / sqrt(head width).
        softcap: bound that scores approach; None is none.

    Returns:
        (rows, heads, head width).
    """
    rows, heads, width = query.shape
    scale = width**-0.5 if scale is None else scale
    trunks, key_heads = trunk[0].shape[:2]
    groups, most = heads // key_heads, spread.most
    grouped = _grouped(query, own[0])
    said, said_size = _part(grouped, own, own_mask, scale, softcap)
    stacked = spread.out(grouped).view(trunks, most, key_heads, groups, width).transpose(1, 2)
    if trunk_mask is not None and groups > 1:
        trunk_mask = trunk_mask.expand(-1, -1, most, -1).repeat_interleave(groups, dim=2)
    seen, seen_size = _part(
        stacked.reshape(trunks, key_heads, most * groups, width), trunk, trunk_mask, scale, softcap
    )
    # The sizes travel as one more channel, so that only one tensor goes back to the order of the rows.
    both = torch.cat([seen.to(seen_size.dtype), seen_size.unsqueeze(-1)], dim=-1)
    both = both.view(trunks, key_heads, most, groups, -1).transpose(1, 2)
    both = spread.back(both.reshape(trunks * most, key_heads, groups, -1))
    weight = torch.sigmoid(both[..., -1:] - said_size.unsqueeze(-1))
    joined = torch.lerp(said.to(weight.dtype), both[..., :-1], weight)
    return joined.to(own[1].dtype).reshape(rows, heads, -1)


def _part(
    query: Tensor, pair: tuple[Tensor, Tensor], mask: Tensor | None, scale: float, softcap: float | None
) -> tuple[Tensor, Tensor]:
    """Softmax attention over some of the keys, and the logarithm of these keys' part in the whole."""
    key, value = pair
    scores = (query @ key.transpose(2, 3)).float() * scale
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    if mask is not None:
        scores = scores.masked_fill(~mask, UNSEEN)
    size = scores.logsumexp(-1)
    return (scores - size.unsqueeze(-1)).exp().to(value.dtype) @ value, size


def _grouped(query: Tensor, key: Tensor) -> Tensor:
    """(rows, heads, width) to (rows, key heads, heads of each, width)."""
    rows, heads, width = query.shape
    return query.reshape(rows, key.shape[1], heads // key.shape[1], width)
