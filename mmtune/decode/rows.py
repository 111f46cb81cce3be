"""Rows that are generated together: their keys and values, those of a shared trunk held once.

A row is a *trunk*, which it may share with others (system text and image), and a *branch* of its own (the
question, then the answer). All tokens of a step lie end to end in one packed row without padding, as in
training; only attention knows whose is whose. It calls ``Reading`` or ``NextTokens`` of this module, which
keep keys and values on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

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

Pair = tuple[Tensor, Tensor]
"""Keys and values."""


class Rows:
    """Keys and values of rows that were read together.

    Args:
        branches: tokens of each row's own.
        trunks: tokens of each trunk; empty where the rows share nothing.
        trunk_of_row: place of each row's trunk in ``trunks``, in ascending order; empty as that.
        device: of the model.
    """

    def __init__(
        self,
        branches: Sequence[int],
        trunks: Sequence[int],
        trunk_of_row: Sequence[int],
        device: torch.device,
    ) -> None:
        self.device = device
        self.own_lengths = list(branches)
        """Tokens of each row's own that are in memory."""
        self.trunks = list(trunks)
        self.trunk_of_row = list(trunk_of_row)
        self.own: dict[nn.Module, Pair] = {}
        """By attention layer, (rows, key heads, slots, head width)."""
        self.shared: dict[nn.Module, Pair] = {}
        """By attention layer, (trunks, key heads, trunk slots, head width)."""

        self._place()

    def _place(self) -> None:
        """Put on the device what every step needs, so that a step itself sends nothing there."""
        self.slots = torch.tensor(self.own_lengths, device=self.device)
        """(rows,) the slot of each row's next token."""
        lengths = [self.trunks[trunk] for trunk in self.trunk_of_row] or [0] * len(self.own_lengths)
        self.starts = torch.tensor(lengths, device=self.device)
        """(rows,) the position of each row's first own token."""
        self.trunk_lengths = torch.tensor(self.trunks, device=self.device)
        self.spread = _spread(self.trunks, self.trunk_of_row, self.device) if self.trunks else None

    def __len__(self) -> int:
        return len(self.own_lengths)

    @property
    def positions(self) -> Tensor:
        """(rows,) position of each row's next token."""
        return self.slots + self.starts

    @property
    def longest(self) -> int:
        """A bound of the positions."""
        return max(self.own_lengths) + max(self.trunks, default=0)

    def taken(self) -> None:
        """Count one more token of every row."""
        self.own_lengths = [length + 1 for length in self.own_lengths]
        self.slots = self.slots + 1

    def keep(self, kept: Sequence[int]) -> None:
        """Drop all rows but those of ``kept``, and trunks that none of them stands behind."""
        index = torch.tensor(kept, device=self.device)
        slots = max(self.own_lengths[row] for row in kept)
        self.own = {
            module: (keys[:, :, :slots].index_select(0, index), values[:, :, :slots].index_select(0, index))
            for module, (keys, values) in self.own.items()
        }
        self.own_lengths = [self.own_lengths[row] for row in kept]
        if self.trunks:
            self._keep_trunks([self.trunk_of_row[row] for row in kept])
        self._place()

    def _keep_trunks(self, of_row: Sequence[int]) -> None:
        """Keep the trunks that rows still stand behind."""
        used = sorted(set(of_row))
        if len(used) < len(self.trunks):
            index = torch.tensor(used, device=self.device)
            self.shared = {
                module: (keys.index_select(0, index), values.index_select(0, index))
                for module, (keys, values) in self.shared.items()
            }
            self.trunks = [self.trunks[trunk] for trunk in used]
        self.trunk_of_row = [used.index(trunk) for trunk in of_row]


class Reading:
    """The first step of rows: their trunks, then their branches, end to end in one packed row.

    Args:
        rows: gets keys and values.
        kernel: a key of ``KERNELS``, for what needs no mask.
        room: slots to keep free behind the branches; 0 where nothing follows, so that nothing is kept.
    """

    def __init__(self, rows: Rows, kernel: str, room: int) -> None:
        self.rows, self.kernel, self.room = rows, kernel, room
        self.branches = tuple(rows.own_lengths)
        self.tokens = sum(rows.trunks) + sum(self.branches)
        self._groups = [
            tuple(length for length, of in zip(self.branches, rows.trunk_of_row, strict=True) if of == trunk)
            for trunk in range(len(rows.trunks))
        ]
        self._masks: dict[tuple[int, int | None, torch.dtype], Tensor] = {}
        # Where each token of the branches goes among (rows, slots).
        lengths = torch.tensor(self.branches)
        of = torch.arange(len(self.branches)).repeat_interleave(lengths)
        slots = torch.arange(len(of)) - (lengths.cumsum(0) - lengths)[of]
        self._places = (of.to(rows.device), slots.to(rows.device))

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
        trunks = self.rows.trunks
        documents = tuple(trunks) or self.branches
        read = sum(documents)
        found = [
            KERNELS[self.kernel](
                query[:read],
                key[:read],
                value[:read],
                documents,
                scale=scale,
                window=window,
                dropout=0.0,
                softcap=softcap,
            )
        ]
        start, end = 0, read
        for number, group in enumerate(self._groups):
            mine = slice(end, end + sum(group))
            behind = slice(start, start + trunks[number])
            # (heads, tokens, width), the trunk's tokens before those of its branches.
            keys, values = (torch.cat([x[behind], x[mine]]).transpose(0, 1) for x in (key, value))
            asked = query[mine].transpose(0, 1)
            mask = self._mask(number, window, asked.dtype)
            out = branches_attention(asked, keys, values, mask, scale=scale, softcap=softcap)
            found.append(out.transpose(0, 1))
            start, end = behind.stop, mine.stop
        if self.room:
            self.rows.own[module] = (self._own(key), self._own(value))
            if trunks:
                self.rows.shared[module] = (_padded(key, trunks), _padded(value, trunks))
        return found[0] if len(found) == 1 else torch.cat(found)

    def _mask(self, trunk: int, window: int | None, dtype: torch.dtype) -> Tensor:
        """What the branches of a trunk see, as numbers to add, made once for all layers."""
        known = self._masks.get((trunk, window, dtype))
        if known is None:
            seen = branch_mask(self.rows.trunks[trunk], self._groups[trunk], window, self.rows.device)
            known = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
            known.masked_fill_(~seen, -torch.inf)
            self._masks[trunk, window, dtype] = known
        return known

    def _own(self, states: Tensor) -> Tensor:
        """(rows, key heads, slots, head width) of the branches' tokens, with room behind them."""
        _, heads, width = states.shape
        slots = max(self.branches) + self.room
        buffer = states.new_zeros(len(self.branches), heads, slots, width)
        of, slot = self._places
        buffer[of, :, slot] = states[sum(self.rows.trunks) :]
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


def _spread(trunks: Sequence[int], trunk_of_row: Sequence[int], device: torch.device) -> Spread:
    counts = [trunk_of_row.count(trunk) for trunk in range(len(trunks))]
    most = max(counts)
    if min(counts) == most:
        return Spread(most, len(trunk_of_row), None)
    places = [trunk * most + number for trunk, count in enumerate(counts) for number in range(count)]
    return Spread(most, most * len(counts), torch.tensor(places, device=device))


def _padded(states: Tensor, lengths: Sequence[int]) -> Tensor:
    """(tokens, heads, width) of documents end to end to (documents, heads, longest, width)."""
    documents = states[: sum(lengths)].split(list(lengths))
    if min(lengths) == max(lengths):
        return torch.stack(documents).transpose(1, 2).contiguous()
    padded = torch.nn.utils.rnn.pad_sequence(list(documents), batch_first=True)
    return padded.transpose(1, 2).contiguous()


def _grown(states: Tensor) -> Tensor:
    """The same with a quarter more slots."""
    rows, heads, slots, width = states.shape
    buffer = states.new_zeros(rows, heads, slots + max(SPARE, slots // 4), width)
    buffer[:, :, :slots] = states
    return buffer
