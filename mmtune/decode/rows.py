"""Rows that are generated together: their keys and values, those of a shared trunk held once.

A row is a *trunk*, which it may share with others (system text and image), and a *branch* of its own (the
question, then the answer). ``mmtune.decode.steps`` fills and reads this memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmtune.models.kernels.trees import Spread

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
            self.trunks = [self.trunks[trunk] for trunk in used]
            slots = max(self.trunks)  # what is left of longer ones would be seen as keys
            self.shared = {
                module: (
                    keys[:, :, :slots].index_select(0, index),
                    values[:, :, :slots].index_select(0, index),
                )
                for module, (keys, values) in self.shared.items()
            }
        self.trunk_of_row = [used.index(trunk) for trunk in of_row]


def _spread(trunks: Sequence[int], trunk_of_row: Sequence[int], device: torch.device) -> Spread:
    counts = [trunk_of_row.count(trunk) for trunk in range(len(trunks))]
    most = max(counts)
    if min(counts) == most:
        return Spread(most, len(trunk_of_row), None)
    places = [trunk * most + number for trunk, count in enumerate(counts) for number in range(count)]
    return Spread(most, most * len(counts), torch.tensor(places, device=device))
