"""Mixtures: each record as often as its weight says, and nothing but the position decides."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtune.data.mixture import InOrder, Mixture

property_test = settings(max_examples=50, deadline=None, derandomize=True)


@property_test
@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(0, 2**40), st.integers(0, 3))
def test_with_weight_1_every_epoch_has_each_record_once(sizes: list[int], seed: int, epoch: int) -> None:
    mixture = Mixture(sizes, [1.0] * len(sizes), seed)
    total = sum(sizes)
    assert mixture.epoch_records == total
    drawn = [mixture.at(epoch * total + i) for i in range(total)]
    assert sorted(drawn) == [(s, r) for s, size in enumerate(sizes) for r in range(size)]


@property_test
@given(st.integers(1, 30), st.floats(0.1, 4), st.floats(0.1, 4), st.integers(0, 99))
def test_weights_give_the_share_of_each_source(size: int, first: float, second: float, seed: int) -> None:
    mixture = Mixture([size, 3 * size], [first, second], seed)
    epochs = 3
    drawn = Counter(mixture.at(i) for i in range(epochs * mixture.epoch_records))
    by_source = Counter(draw.source for draw in drawn.elements())
    assert by_source[0] == epochs * max(1, round(first * size))
    assert by_source[1] == epochs * max(1, round(second * (3 * size)))
    for source, own in enumerate([size, 3 * size]):
        counts = [drawn[source, record] for record in range(own)]  # type: ignore[index]
        assert max(counts) - min(counts) <= 1, "within a source no record is ahead of another by two"


def test_half_weight_takes_two_epochs_for_each_record() -> None:
    mixture = Mixture([10], [0.5], seed=3)
    assert mixture.epoch_records == 5
    assert sorted(mixture.at(i).record for i in range(10)) == list(range(10))


def test_positions_can_be_asked_in_any_order() -> None:
    forward = Mixture([7, 5], [1.0, 2.0], seed=1)
    expected = [forward.at(i) for i in range(100)]
    backward = Mixture([7, 5], [1.0, 2.0], seed=1)
    assert [backward.at(i) for i in reversed(range(100))] == expected[::-1]


def test_seed_and_epoch_change_the_order() -> None:
    def epoch(seed: int, number: int) -> list[int]:
        mixture = Mixture([50], [1.0], seed)
        return [mixture.at(50 * number + i).record for i in range(50)]

    assert epoch(0, 0) != epoch(0, 1) != epoch(1, 1)


PINNED = [(1, 1), (1, 2), (0, 0), (0, 5), (0, 2), (0, 4), (0, 3), (1, 0), (0, 1)]


def test_the_order_is_the_same_on_every_machine() -> None:
    """A changed shuffle would change every resumed run: the figures are pinned."""
    mixture = Mixture([6, 3], [1.0, 1.0], seed=42)
    assert [tuple(mixture.at(i)) for i in range(9)] == PINNED


def test_in_order_takes_each_once_or_evenly_spaced_ones() -> None:
    order = InOrder([2, 3])
    assert [tuple(order.at(i)) for i in range(6)] == [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (0, 0)]
    some = InOrder([50, 50], limit=4)
    assert [tuple(some.at(i)) for i in range(4)] == [(0, 0), (0, 25), (1, 0), (1, 25)]
    assert InOrder([3], limit=9).epoch_records == 3


def test_a_source_without_records_is_refused() -> None:
    with pytest.raises(ValueError, match="one weight"):
        Mixture([3, 0], [1.0, 1.0], 0)
