"""Attention that cannot cross the documents of a packed row, for any language model of transformers.

Registered with transformers under ``ATTENTION``. A call that carries ``document_lengths`` runs a kernel of
``mmtune.models.kernels`` over the flat row and never sees a mask of tokens x tokens. One that carries
``decode_step`` hands its tokens to that, which keeps keys and values itself (``mmtune.decode.steps``). Any
other call (transformers' own ``generate``, left-padded prompts) is transformers' own ``sdpa``.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from mmtune.errors import UserError
from mmtune.models.kernels import KERNELS, choose_kernel
from mmtune.models.kernels.capped import capped_attention

ATTENTION = "mmtune_packed"
"""Name in transformers' attention interface."""

_REFUSED = ("s_aux", "position_bias", "indexer")
"""Changes to the scores that no kernel here makes; a model that asks for one must not train without it."""


class DecodeStep(Protocol):
    """Attention over tokens whose keys and values are kept between calls."""

    def attend(
        self,
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        *,
        scale: float | None,
        window: int | None,
        softcap: float | None,
    ) -> Tensor:
        """One layer's attention, (tokens, heads, head width) each."""
        ...


def register() -> None:
    """Make ``ATTENTION`` known to transformers; harmless when repeated."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

    AttentionInterface.register(ATTENTION, packed_attention)
    AttentionMaskInterface.register(ATTENTION, sdpa_mask)


def packed_arguments(lengths: tuple[int, ...], kernel: str, device: torch.device) -> dict[str, Any]:
    """Keyword arguments for a language model's forward over one packed row.

    Args:
        lengths: tokens of each document of the row.
        kernel: a key of ``KERNELS``.
        device: where the model is.
    """
    return {"attention_mask": _no_mask(device), "document_lengths": lengths, "packed_kernel": kernel}


def decoding_arguments(step: DecodeStep, device: torch.device) -> dict[str, Any]:
    """Keyword arguments for a language model's forward over one packed row of a decoding step.

    Args:
        step: what attends, and keeps keys and values.
        device: where the model is.
    """
    return {"attention_mask": _no_mask(device), "decode_step": step}


def _no_mask(device: torch.device) -> Tensor:
    # A mask of four dimensions is taken as ready by transformers, so that none is built. Nobody reads this
    # one: it has no element, which unmasks a model that drops keyword arguments on the way.
    return torch.empty(1, 1, 0, 0, dtype=torch.bool, device=device)


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    document_lengths: tuple[int, ...] | None = None,
    packed_kernel: str = "sdpa",
    decode_step: DecodeStep | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """One layer's attention, as transformers' attention interface calls it.

    Args:
        module: the attention layer.
        query: (rows, heads, tokens, head width).
        key: (rows, key heads, key tokens, head width).
        value: as ``key``.
        attention_mask: (rows, 1, tokens, key tokens) or None; not read for a packed row.
        dropout: probability of dropping an attention weight.
        scaling: of the scores.
        sliding_window: tokens that a token sees, itself included.
        softcap: bound that scores approach, as in Gemma 2; None is none.
        document_lengths: tokens of each document of one packed row; None for ordinary rows.
        packed_kernel: a key of ``KERNELS``.
        decode_step: attends in place of a kernel, where answers are generated.

    Returns:
        (rows, tokens, heads, head width) and no weights.

    Raises:
        UserError: if the model changes its scores in a way that is not supported, or drops keyword arguments.
    """
    for name in _REFUSED:
        if kwargs.get(name) is not None:
            raise UserError(
                f"this language model's attention uses {name}, which is not supported",
                type(module).__name__,
                "choose another language model",
            )
    if decode_step is not None:
        states = (x[0].transpose(0, 1) for x in (query, key, value))
        out = decode_step.attend(module, *states, scale=scaling, window=sliding_window, softcap=softcap)
        return out.unsqueeze(0), None
    if document_lengths is None:
        if attention_mask is not None and attention_mask.numel() == 0:
            raise UserError(
                "this language model does not hand document lengths on to its attention, so records of one "
                "packed row would see each other",
                type(module).__name__,
                "choose a language model that supports transformers' attention interface throughout",
            )
        if softcap is not None:
            return capped_attention(
                query, key, value, attention_mask, scale=scaling, softcap=softcap, dropout=dropout
            ).transpose(1, 2), None
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
    if query.shape[0] != 1 or key.shape[2] != query.shape[2]:
        raise ValueError("a packed row has a batch of one and no key-value cache")
    out = KERNELS[packed_kernel](
        query[0].transpose(0, 1),
        key[0].transpose(0, 1),
        value[0].transpose(0, 1),
        document_lengths,
        scale=scaling,
        window=sliding_window,
        dropout=dropout,
        softcap=softcap,
    )
    return out.unsqueeze(0), None


__all__ = ["ATTENTION", "choose_kernel", "packed_arguments", "packed_attention", "register"]
