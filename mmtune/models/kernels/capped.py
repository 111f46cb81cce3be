"""Attention whose scores are bounded by a tanh (Gemma 2), which no fused kernel of PyTorch computes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def capped_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    *,
    scale: float | None,
    softcap: float,
    dropout: float = 0.0,
) -> Tensor:
    """Softmax attention over ``softcap * tanh(scores / softcap)``; holds all scores in memory.

    Args:
        query: (rows, heads, tokens, head width).
        key: (rows, key heads, key tokens, head width); ``heads`` is a multiple of ``key heads``.
        value: as ``key``.
        mask: broadcast to (rows, heads, tokens, key tokens): True where a key is seen, or numbers to add.
            None is causal: the last token sees all keys, each before it one less.
        scale: of the scores; None is 1 / sqrt(head width).
        softcap: the bound.
        dropout: probability of dropping an attention weight.

    Returns:
        (rows, heads, tokens, head width).

    Source: Gemma 2's attention in transformers.
    """
    grouped = query.shape[1] // key.shape[1]
    if grouped > 1:
        key, value = key.repeat_interleave(grouped, dim=1), value.repeat_interleave(grouped, dim=1)
    scores = query @ key.transpose(2, 3) * (query.shape[-1] ** -0.5 if scale is None else scale)
    scores = softcap * torch.tanh(scores / softcap)
    if mask is None:
        new, total = scores.shape[-2:]
        mask = torch.ones(new, total, dtype=torch.bool, device=query.device).tril(total - new)
    if mask.dtype == torch.bool:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    else:
        scores = scores + mask.to(scores.dtype)
    weights = scores.softmax(-1, dtype=torch.float32).to(value.dtype)
    return F.dropout(weights, dropout) @ value
