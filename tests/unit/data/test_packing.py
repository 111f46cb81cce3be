"""Packing: every record exactly once, no row too long, the same number of rows on every rank."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtune.data.packing import first_fit_decreasing, plan_rows, spread

CAPACITY = 100
LENGTHS = st.lists(st.integers(1, CAPACITY), max_size=60)
property_test = settings(max_examples=80, deadline=None, derandomize=True)


@property_test
@given(LENGTHS)
def test_first_fit_places_each_item_once_and_never_overfills(lengths: list[int]) -> None:
    rows = first_fit_decreasing(lengths, CAPACITY)
    assert sorted(item for row in rows for item in row) == list(range(len(lengths)))
    loads = [sum(lengths[item] for item in row) for row in rows]
    assert all(0 < load <= CAPACITY for load in loads)
    # No two rows could be one: the guarantee that first fit gives.
    assert all(a + b > CAPACITY for i, a in enumerate(loads) for b in loads[i + 1 :])


@property_test
@given(LENGTHS, st.integers(1, 9))
def test_every_rank_has_the_same_number_of_rows_and_their_union_is_the_step(
    lengths: list[int], world: int
) -> None:
    plan = plan_rows(lengths, CAPACITY, world)
    assert len(plan) == world
    assert len({len(rows) for rows in plan}) == 1 and len(plan[0]) >= 1
    assert sorted(item for rows in plan for row in rows for item in row) == list(range(len(lengths)))
    assert all(sum(lengths[i] for i in row) <= CAPACITY for rows in plan for row in rows)
    fewest = len(first_fit_decreasing(lengths, CAPACITY))
    assert len(plan[0]) == max(1, -(-fewest // world))
    for rows in plan:
        loads = [sum(lengths[i] for i in row) for row in rows]
        assert loads == sorted(loads, reverse=True)


def test_rows_are_spread_rather_than_left_empty() -> None:
    plan = plan_rows([50] * 18, CAPACITY, 8)
    assert sorted(len(row) for rows in plan for row in rows) == [1] * 14 + [2] * 2


def test_spreading_gives_up_where_it_would_overfill() -> None:
    # 6+4, 5+5 fill two rows of 10 to the brim; spreading puts 6+4 and 5+5, but 7,5,4,4 goes 7+4 > 10.
    assert spread([6, 5, 5, 4], 10, 2) == [[0, 3], [1, 2]]
    assert spread([4, 4, 3, 3, 3, 3], 10, 2) == [[0, 2, 4], [1, 3, 5]]
    assert spread([5, 5, 4, 3, 3], 10, 2) is None


def test_an_item_longer_than_a_row_is_an_error() -> None:
    with pytest.raises(ValueError, match="101 tokens"):
        first_fit_decreasing([101], 100)
