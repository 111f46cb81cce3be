"""Lengths of chosen and rejected answers are brought together."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from data_builders.preference import balancing
from data_builders.preference.balancing import Lengths, Measured
from mmtune.records import Preference, Turn


def pair(name: str, chosen: int, rejected: int, unit: str = "", margin: float = 1.0) -> Preference:
    meta = {"unit": unit} if unit else {}
    return Preference(
        name, (Turn("user", "?"),), " ".join("a" * chosen), " ".join("b" * rejected), (), meta, (), (), margin
    )


def balanced(pairs: list[Preference], most: int = 2) -> list[Preference]:
    return [pairs[place] for place in balancing.balanced([Measured.of(one) for one in pairs], most)]


def lengths(pairs: list[Preference]) -> Lengths:
    return balancing.lengths([Measured.of(one) for one in pairs])


def test_pairs_that_lean_the_same_way_are_dropped_until_the_means_meet() -> None:
    long = [pair(f"l{n}", 20 + n, 10) for n in range(20)]
    short = [pair(f"s{n}", 10, 20) for n in range(10)]
    before, after = lengths([*long, *short]), balanced([*long, *short])
    assert before.chosen_words - before.rejected_words > 5
    told = lengths(after)
    assert abs(told.chosen_words - told.rejected_words) <= 0.01 * told.rejected_words + 0.5
    assert all(one in after for one in short)
    assert 15 <= len(after) < 30


def test_of_a_unit_those_stay_that_even_the_others_out() -> None:
    first = [pair("a", 30, 10)]
    unit = [pair("b", 30, 10, "u"), pair("c", 10, 30, "u"), pair("d", 20, 20, "u", 0.5)]
    kept = [one.id for one in balanced([*first, *unit], most=1)]
    assert kept == ["a", "c"]
    assert [one.id for one in balanced([pair("e", 9, 9, "u", 1.0), pair("f", 9, 9, "u", 2.0)], most=1)] == [
        "f"
    ]


def test_nothing_and_one_alone() -> None:
    assert balanced([]) == []
    assert [one.id for one in balanced([pair("a", 30, 1)])] == ["a"]


_PAIR = st.tuples(st.integers(1, 60), st.integers(1, 60), st.integers(0, 5))


@given(st.lists(_PAIR, min_size=1, max_size=60), st.integers(1, 3))
@settings(deadline=None, derandomize=True, max_examples=120)
def test_never_further_apart_than_before_the_last_step_and_never_too_many(
    shapes: list[tuple[int, int, int]], most: int
) -> None:
    given_ = [pair(str(n), c, r, f"u{unit}") for n, (c, r, unit) in enumerate(shapes)]
    kept = balanced(given_, most)
    assert kept and [one for one in given_ if one in kept] == kept
    for unit in {one.meta["unit"] for one in kept}:
        assert sum(one.meta["unit"] == unit for one in kept) <= most
    total = sum(len(one.chosen.split()) - len(one.rejected.split()) for one in kept)
    words = sum(len(one.rejected.split()) for one in kept)
    leans = [len(one.chosen.split()) - len(one.rejected.split()) for one in kept]
    # Either the means meet, or no single pair could be left out to bring them nearer.
    if abs(total) > 0.01 * words and len(kept) > 1:
        assert all(abs(total - lean) >= abs(total) for lean in leans)
