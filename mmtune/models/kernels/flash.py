"""The packed row through flash-attn's variable-length kernel."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


def flash_documents(
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
    """Causal attention inside each document by ``flash_attn_varlen_func``.

    Args:
        query: (tokens, heads, head width), on a CUDA device; what is wider than bfloat16 is rounded to it, as
            autocast does with what a norm left in float32.
        key: (tokens, key heads, head width).
        value: as ``key``.
        lengths: tokens of each document; they sum to ``tokens``.
        scale: of the scores; None is 1 / sqrt(head width).
        window: tokens that a token sees, itself included; None is all before it.
        dropout: probability of dropping an attention weight.
        softcap: bound that scores approach; None is none.

    Returns:
        (tokens, heads, head width).
    """
    from flash_attn import flash_attn_varlen_func  # type: ignore[import-not-found]

    bounds = _bounds(lengths, query.device)
    longest = max(lengths)
    half = query if query.dtype in (torch.bfloat16, torch.float16) else query.bfloat16()
    out = flash_attn_varlen_func(
        half,
        key.to(half.dtype),
        value.to(half.dtype),
        bounds,
        bounds,
        longest,
        longest,
        dropout_p=dropout,
        softmax_scale=scale,
        causal=True,
        window_size=(-1, -1) if window is None else (window - 1, 0),
        **({} if softcap is None else {"softcap": softcap}),
    )
    return out.to(query.dtype)


@lru_cache(maxsize=8)
def _bounds(lengths: tuple[int, ...], device: torch.device) -> Tensor:
    """Where documents begin and end, (documents + 1,) int32; the same for every layer of a step."""
    return torch.tensor((0, *lengths), dtype=torch.int32).cumsum(0, dtype=torch.int32).to(device)
