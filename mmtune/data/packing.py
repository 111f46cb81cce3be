"""Records into rows: which record goes into which packed row, and which rank gets which row."""

from __future__ import annotations

import heapq
from collections.abc import Sequence


def first_fit_decreasing(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Put each item into the first row with room for it, longest item first.

    Args:
        lengths: tokens of each item; none above ``capacity``.
        capacity: tokens that a row holds.

    Returns:
        Rows of item indices; every index stands in exactly one row. Equal lengths keep their order.

    Raises:
        ValueError: if an item is longer than a row.
    """
    rows: list[list[int]] = []
    room: list[int] = []
    for item in _longest_first(lengths):
        length = lengths[item]
        if length > capacity:
            raise ValueError(f"an item of {length} tokens does not fit into rows of {capacity}")
        for row, left in enumerate(room):
            if length <= left:
                rows[row].append(item)
                room[row] -= length
                break
        else:
            rows.append([item])
            room.append(capacity - length)
    return rows


def spread(lengths: Sequence[int], capacity: int, row_count: int) -> list[list[int]] | None:
    """Spread items evenly over a given number of rows: the longest item first, into the emptiest row.

    Args:
        lengths: tokens of each item.
        capacity: tokens that a row holds.
        row_count: rows to fill.

    Returns:
        ``row_count`` rows of item indices, some empty where there are too few items; None where this rule
        overfills a row.
    """
    rows: list[list[int]] = [[] for _ in range(row_count)]
    filled = [(0, row) for row in range(row_count)]
    for item in _longest_first(lengths):
        tokens, row = heapq.heappop(filled)
        if tokens + lengths[item] > capacity:
            return None
        rows[row].append(item)
        heapq.heappush(filled, (tokens + lengths[item], row))
    return rows


def plan_rows(lengths: Sequence[int], capacity: int, world: int) -> list[list[list[int]]]:
    """Pack the items of one step and deal the rows to the ranks.

    Every rank gets the same number of rows, at least one, longest first; where the fewest rows that hold the
    items are no multiple of ``world``, the items are spread evenly over the next multiple, so that no rank
    waits for one that has a row more.

    Args:
        lengths: tokens of each item; none above ``capacity``.
        capacity: tokens that a row holds.
        world: number of ranks.

    Returns:
        For each rank its rows of item indices; a row may be empty.
    """
    rows = first_fit_decreasing(lengths, capacity)
    each = max(1, -(-len(rows) // world))
    if len(rows) != each * world:
        rows = spread(lengths, capacity, each * world) or rows + [[] for _ in range(each * world - len(rows))]
    rows.sort(key=lambda row: -sum(lengths[item] for item in row))
    return [rows[rank::world] for rank in range(world)]


def _longest_first(lengths: Sequence[int]) -> list[int]:
    """Item indices by falling length; equal lengths keep their order."""
    return sorted(range(len(lengths)), key=lambda item: -lengths[item])
