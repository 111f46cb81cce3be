"""The packed row through PyTorch's fused attention, document by document."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mmtune.models.kernels.capped import capped_attention


def sdpa_documents(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    lengths: tuple[int, ...],
    *,
    scale: float | None,
    window: int | None,
    dropout: float,
    softcap: float | None = None,
) -> Tensor:
    """Causal attention inside each document.

    Args:
        query: (tokens, heads, head width).
        key: (tokens, key heads, head width); ``heads`` is a multiple of ``key heads``.
        value: as ``key``.
        lengths: tokens of each document; they sum to ``tokens``.
        scale: of the scores; None is 1 / sqrt(head width).
        window: tokens that a token sees, itself included; None is all before it.
        dropout: probability of dropping an attention weight.
        softcap: bound that scores approach; None is none.

    Returns:
        (tokens, heads, head width).
    """
    dtype = query.dtype
    if query.device.type == "cpu" and dtype in (torch.bfloat16, torch.float16):
        # Without bf16 instructions the backward pass of the CPU kernel takes 6 times as long as in float32.
        query, key, value = query.float(), key.float(), value.float()
    grouped = query.shape[1] // key.shape[1]
    if grouped > 1:
        key, value = key.repeat_interleave(grouped, dim=1), value.repeat_interleave(grouped, dim=1)
    out = []
    for q, k, v in zip(query.split(lengths), key.split(lengths), value.split(lengths), strict=True):
        mask = _window_mask(q.shape[0], window, q.device)
        q, k, v = (x.transpose(0, 1).unsqueeze(0) for x in (q, k, v))
        if softcap is not None:
            document = capped_attention(q, k, v, mask, scale=scale, softcap=softcap, dropout=dropout)
        else:
            document = F.scaled_dot_product_attention(
                q, k, v, attn_mask=mask, dropout_p=dropout, is_causal=mask is None, scale=scale
            )
        out.append(document.squeeze(0).transpose(0, 1))
    return torch.cat(out).to(dtype)


def _window_mask(length: int, window: int | None, device: torch.device) -> Tensor | None:
    """(length, length) mask of a sliding window, or None where the window covers the document."""
    if window is None or length <= window:
        return None
    seen = torch.ones(length, length, dtype=torch.bool, device=device).tril()
    return seen & ~seen.tril(-window)
