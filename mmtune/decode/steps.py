"""Attention of a step: what its tokens see, and where their keys and values go.

All tokens of a step lie end to end in one packed row without padding, as in training; only attention knows
whose is whose. It calls ``Step``, which hands ``Reading`` and ``NextTokens`` their parts of the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn

from mmtune.decode.rows import Rows
from mmtune.models.kernels import KERNELS
from mmtune.models.kernels.trees import (
    Spread,
    branch_mask,
    branches_attention,
    next_token_attention,
    next_token_behind_trunk,
)

SPARE = 16
"""Fewest slots that are kept free when room is made for more tokens."""
BRANCH_TOKENS = 192
"""Branches of one trunk attend together up to this many tokens: more is fewer calls, and more scores between
branches that do not see each other."""


class Reading:
    """The first step of rows: each trunk with its branches behind it, end to end in one packed row.

    Args:
        rows: gets keys and values.
        kernel: a key of ``KERNELS``, for what needs no mask.
        room: slots to keep free behind the branches; 0 where nothing follows, so that nothing is kept.
    """

    def __init__(self, rows: Rows, kernel: str, room: int) -> None:
        self.rows, self.kernel, self.room = rows, kernel, room
        self.branches = tuple(rows.own_lengths)
        self.tokens = sum(rows.trunks) + sum(self.branches)
        groups: list[list[int]] = [[] for _ in rows.trunks]
        for trunk, length in zip(rows.trunk_of_row, self.branches, strict=bool(rows.trunks)):
            groups[trunk].append(length)
        # Where each trunk begins, and where its branches do and end; so its keys are a slice of all.
        ends = list(accumulate(trunk + sum(group) for trunk, group in zip(rows.trunks, groups, strict=True)))
        self._spans = [
            (end - sum(group) - trunk, end - sum(group), end)
            for trunk, group, end in zip(rows.trunks, groups, ends, strict=True)
        ]
        self._groups = [_together(group) for group in groups]
        self._masks: dict[tuple[int, tuple[int, ...], int | None, torch.dtype], Tensor] = {}
        # Where each token of the branches goes among (rows, slots).
        lengths = torch.tensor(self.branches)
        of = torch.arange(len(self.branches)).repeat_interleave(lengths)
        slots = torch.arange(len(of)) - (lengths.cumsum(0) - lengths)[of]
        self._places = (of.to(rows.device), slots.to(rows.device))
        behind = [place for _, start, end in self._spans for place in range(start, end)]
        self._behind = torch.tensor(behind, device=rows.device)

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
        """One layer's attention, (tokens, heads, head width) each; keys and values are kept."""
        how = {"scale": scale, "softcap": softcap}
        found = []
        for (first, start, _), groups in zip(self._spans, self._groups, strict=True):
            trunk = (x[first:start] for x in (query, key, value))
            kernel = KERNELS[self.kernel]
            found.append(kernel(*trunk, (start - first,), window=window, dropout=0.0, **how))
            at = start
            for group in groups:
                own = slice(at, at + sum(group))
                at = own.stop
                # Right behind the trunk they are one slice with it.
                seen = [
                    x[first : own.stop] if own.start == start else torch.cat([x[first:start], x[own]])
                    for x in (key, value)
                ]
                keys, values = (x.transpose(0, 1) for x in seen)
                mask = self._mask(start - first, group, window, query.dtype)
                branches = branches_attention(query[own].transpose(0, 1), keys, values, mask, **how)
                found.append(branches.transpose(0, 1))
        if not self._spans:
            kernel = KERNELS[self.kernel]
            found.append(kernel(query, key, value, self.branches, window=window, dropout=0.0, **how))
        if self.room:
            self._keep(module, key, value)
        return found[0] if len(found) == 1 else torch.cat(found)

    def _keep(self, module: nn.Module, key: Tensor, value: Tensor) -> None:
        """Put a layer's keys and values where the next steps find them."""
        rows = self.rows
        rows.own[module] = (self._own(key), self._own(value))
        if self._spans:
            shared = [[x[first:start] for first, start, _ in self._spans] for x in (key, value)]
            rows.shared[module] = (_padded(shared[0]), _padded(shared[1]))

    def _mask(self, trunk: int, branches: tuple[int, ...], window: int | None, dtype: torch.dtype) -> Tensor:
        """What branches behind a trunk see, as numbers to add, made once for all layers."""
        known = self._masks.get((trunk, branches, window, dtype))
        if known is None:
            seen = branch_mask(trunk, branches, window, self.rows.device)
            known = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
            known.masked_fill_(~seen, -torch.inf)
            self._masks[trunk, branches, window, dtype] = known
        return known

    def _own(self, states: Tensor) -> Tensor:
        """(rows, key heads, slots, head width) of the branches' tokens, with room behind them."""
        _, heads, width = states.shape
        slots = max(self.branches) + self.room
        buffer = states.new_zeros(len(self.branches), heads, slots, width)
        of, slot = self._places
        buffer[of, :, slot] = states[self._behind] if self._spans else states
        return buffer


class NextTokens:
    """A step of one token a row behind all that the rows hold.

    Args:
        rows: rows that have been read; ``Rows.taken`` is to be called behind the step.
    """

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.tokens = len(rows)
        lengths = rows.own_lengths
        self.filled = max(lengths) + 1
        """Slots with the new token's."""
        self._even = min(lengths) == max(lengths)
        self._row = torch.arange(len(lengths), device=rows.device)
        self._own_masks: dict[int | None, Tensor | None] = {}
        self._trunk_masks: dict[int | None, Tensor | None] = {}

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
        """One layer's attention, (rows, heads, head width) each; keys and values are added."""
        rows = self.rows
        if rows.own[module][0].shape[2] < self.filled:
            keys, values = rows.own[module]
            rows.own[module] = (_grown(keys), _grown(values))
        keys, values = rows.own[module]
        keys[self._row, :, rows.slots] = key.to(keys.dtype)
        values[self._row, :, rows.slots] = value.to(values.dtype)
        own = (keys[:, :, : self.filled], values[:, :, : self.filled])
        own_mask = self._own_mask(window)
        if (spread := rows.spread) is None:
            return next_token_attention(query, *own, own_mask, scale=scale, softcap=softcap)
        return next_token_behind_trunk(
            query,
            rows.shared[module],
            own,
            spread,
            self._trunk_mask(window, spread),
            own_mask,
            scale=scale,
            softcap=softcap,
        )

    def _own_mask(self, window: int | None) -> Tensor | None:
        """(rows, 1, 1, slots) bool, or None where every slot is seen."""
        if window is not None and window >= self.filled:
            window = None
        if window not in self._own_masks:
            mask = None
            if not self._even or window is not None:
                slots = torch.arange(self.filled, device=self.rows.device)
                behind = self.rows.slots.unsqueeze(1) - slots
                mask = behind >= 0
                if window is not None:
                    mask &= behind < window
                mask = mask[:, None, None]
            self._own_masks[window] = mask
        return self._own_masks[window]

    def _trunk_mask(self, window: int | None, spread: Spread) -> Tensor | None:
        """(trunks, 1, most rows of a trunk or 1, trunk slots) bool, or None where every slot is seen."""
        rows = self.rows
        if window is not None and window > rows.longest:
            window = None
        if window not in self._trunk_masks:
            longest, mask = max(rows.trunks), None
            if min(rows.trunks) < longest or window is not None:
                slots = torch.arange(longest, device=rows.device)
                mask = (slots < rows.trunk_lengths.unsqueeze(1))[:, None, None]
                if window is not None:
                    positions = spread.out(rows.positions).view(len(rows.trunks), 1, -1, 1)
                    mask = mask & (positions - slots < window)
            self._trunk_masks[window] = mask
        return self._trunk_masks[window]


class Step:
    """What attention calls: the pieces of a packed row, each with its own way of attending.

    Args:
        pieces: ``Reading`` and ``NextTokens``, in the order of their tokens.
    """

    def __init__(self, pieces: Sequence[Reading | NextTokens]) -> None:
        self._pieces = pieces
        self._sizes = [piece.tokens for piece in pieces]

    def attend(self, module: nn.Module, query: Tensor, key: Tensor, value: Tensor, **how: Any) -> Tensor:
        """One layer's attention of the packed row.

        Args:
            module: the attention layer.
            query: (tokens, heads, head width).
            key: (tokens, key heads, head width).
            value: as ``key``.
            how: ``scale``, ``window`` and ``softcap`` of the layer.

        Returns:
            (tokens, heads, head width).
        """
        if len(self._pieces) == 1:
            return self._pieces[0].attend(module, query, key, value, **how)
        parts = zip(*(x.split(self._sizes) for x in (query, key, value)), strict=True)
        return torch.cat(
            [piece.attend(module, *part, **how) for piece, part in zip(self._pieces, parts, strict=True)]
        )


def _together(branches: Sequence[int]) -> list[tuple[int, ...]]:
    """Neighbours in groups of at most ``BRANCH_TOKENS``; a longer one is alone."""
    groups: list[list[int]] = []
    for length in branches:
        if groups and sum(groups[-1]) + length <= BRANCH_TOKENS:
            groups[-1].append(length)
        else:
            groups.append([length])
    return [tuple(group) for group in groups]


def _padded(documents: list[Tensor]) -> Tensor:
    """(tokens, heads, width) each to (documents, heads, longest, width)."""
    if len({len(document) for document in documents}) == 1:
        return torch.stack(documents).transpose(1, 2).contiguous()
    return torch.nn.utils.rnn.pad_sequence(documents, batch_first=True).transpose(1, 2).contiguous()


def _grown(states: Tensor) -> Tensor:
    """The same with a quarter more slots."""
    rows, heads, slots, width = states.shape
    buffer = states.new_zeros(rows, heads, slots + max(SPARE, slots // 4), width)
    buffer[:, :, :slots] = states
    return buffer
