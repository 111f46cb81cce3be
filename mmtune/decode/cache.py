"""The KV cache of a batch whose rows stand behind shared prefixes, in transformers' own cache class."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from mmtune.decode.growing import GrowingLayer


class Rows:
    """Rows of one batch: their keys and values, which slots of the cache are real, and where they stand.

    Rows are padded on the left of what they add, so a row's last token is always the last slot. A padded slot
    is never attended to; positions count real tokens only, so where the padding lies changes nothing.
    """

    def __init__(self, cache: DynamicCache, real: Tensor) -> None:
        self.cache = cache
        self.real = real
        """(rows, slots) bool."""
        self.count = real.sum(dim=1)
        """(rows,) real tokens of each row, which is the next token's position."""

    @classmethod
    def empty(cls, rows: int, device: torch.device) -> Rows:
        """Rows without a token."""
        return cls(_new_cache(), torch.zeros(rows, 0, dtype=torch.bool, device=device))

    def copied(self, index: Tensor, room: int) -> Rows:
        """New rows, the k-th of which starts as a copy of row ``index[k]``, with room for more tokens."""
        cache = _new_cache()
        for layer in self.cache.layers:
            copy = GrowingLayer(room)
            if layer.keys is not None:
                copy.update(layer.keys.index_select(0, index), layer.values.index_select(0, index))
            cache.layers.append(copy)
        return Rows(cache, self.real.index_select(0, index))

    def keep(self, index: Tensor) -> None:
        """Drop all rows but those of ``index``."""
        self.cache.batch_select_indices(index)
        self.real = self.real.index_select(0, index)
        self.count = self.count.index_select(0, index)

    def advance(self, language: Any, embeddings: Tensor, real: Tensor, *, dense_mask: bool) -> Tensor:
        """Run the language model over each row's next tokens.

        Args:
            language: a transformers causal language model.
            embeddings: (rows, tokens, width), padded on the left.
            real: (rows, tokens) bool, False at padding.
            dense_mask: give the model the whole (rows, 1, tokens, slots) mask, which every dense attention
                takes as it is; otherwise the (rows, slots) mask, from which the model makes its own.

        Returns:
            (rows, vocabulary) float32 logits of each row's last token.
        """
        positions = (self.count.unsqueeze(1) + real.cumsum(dim=1) - 1).clamp_(min=0)
        slots = torch.cat([self.real, real], dim=1)
        mask: Tensor | None = slots.long()
        if dense_mask:
            mask = _dense(slots, real.shape[1], embeddings.dtype)
        out = language(
            inputs_embeds=embeddings,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        self.real = slots
        self.count = self.count + real.sum(dim=1)
        return out.logits[:, -1].float()


def _new_cache() -> DynamicCache:
    cache = DynamicCache()
    cache.layer_class_to_replicate = GrowingLayer
    return cache


def _dense(slots: Tensor, new: int, dtype: torch.dtype) -> Tensor | None:
    """(rows, 1, new, slots) mask to add to the scores; None where a single new token sees every slot.

    The lowest finite number instead of minus infinity keeps the padding's own rows free of NaN.
    """
    if new == 1 and bool(slots.all()):
        return None
    total = slots.shape[1]
    order = torch.arange(total, device=slots.device)
    allowed = slots.unsqueeze(1) & (order <= order[total - new :].unsqueeze(1)).unsqueeze(0)
    mask = torch.zeros(allowed.shape, dtype=dtype, device=slots.device)
    return mask.masked_fill_(~allowed, torch.finfo(dtype).min).unsqueeze(1)
