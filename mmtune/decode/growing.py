"""A layer of transformers' KV cache that writes new tokens into room kept free behind the old ones."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicLayer

SPARE = 16
"""Fewest slots that are kept free when room is made."""


class GrowingLayer(DynamicLayer):
    """Keys and values in buffers with free slots at the end.

    transformers' own dynamic layer copies all it holds at each token; this one copies only when the room is
    used up, and then makes a quarter more. ``keys`` and ``values`` are views of the filled part, so that all
    else that transformers does with a dynamic layer works as it is.
    """

    keys: Tensor
    values: Tensor
    is_initialized: bool

    def __init__(self, room: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.room = room
        """Slots for the next tokens that the first buffer has beside those of the first update."""
        self._buffers: tuple[Tensor, Tensor] | None = None

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Append keys and values, (rows, heads, tokens, head width) each; all that there are so far."""
        start = self.get_seq_length()
        end = start + key_states.shape[-2]
        if not self.is_initialized:
            self.dtype, self.device = key_states.dtype, key_states.device
            self.is_initialized = True
        if self._buffers is None or self._buffers[0].shape[-2] < end:
            slots = end + max(self.room, SPARE, end // 4)
            old = (self.keys, self.values) if start else (None, None)
            self._buffers = (_grown(key_states, old[0], slots), _grown(value_states, old[1], slots))
            self.room = 0
        keys, values = self._buffers
        keys[:, :, start:end] = key_states
        values[:, :, start:end] = value_states
        self.keys, self.values = keys[:, :, :end], values[:, :, :end]
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep only some of the rows."""
        if self.get_seq_length() > 0:
            self.keys = self.keys.index_select(0, indices)
            self.values = self.values.index_select(0, indices)
            self._buffers = None


def _grown(like: Tensor, old: Tensor | None, slots: int) -> Tensor:
    """A buffer of ``slots`` that starts with ``old``."""
    rows, heads, _, width = like.shape
    buffer = torch.empty(rows, heads, slots, width, dtype=like.dtype, device=like.device)
    if old is not None:
        buffer[:, :, : old.shape[-2]] = old
    return buffer
