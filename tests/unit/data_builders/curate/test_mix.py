"""Shares and orders of mixtures."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from data_builders.curate.mix import MixSettings, counts, curriculum, draw, recipe_weights, shuffled
from mmtune.errors import UserError

SIZES = {"a": 900, "b": 100, "c": 25}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (MixSettings(total=1025), {"a": 900, "b": 100, "c": 25}),
        (MixSettings("equal", total=30), {"a": 10, "b": 10, "c": 10}),
        (MixSettings("square_root", total=450), {"a": 300, "b": 100, "c": 50}),
        (MixSettings("temperature", temperature=1, total=41), {"a": 36, "b": 4, "c": 1}),
        (MixSettings("temperature", temperature=2, total=450), {"a": 300, "b": 100, "c": 50}),
        (MixSettings("weights", {"c": 4.0}, total=1100), {"a": 900, "b": 100, "c": 100}),
        (MixSettings(cap=100, total=225), {"a": 100, "b": 100, "c": 25}),
        (
            MixSettings("skills", losses={"a": 0.1, "b": 0.3, "c": 0.6}, total=100),
            {"a": 10, "b": 30, "c": 60},
        ),
        (MixSettings("equal", total=300, upsample=False), {"a": 175, "b": 100, "c": 25}),
    ],
)
def test_rows_of_each_source(settings, expected):
    assert counts(SIZES, settings) == expected


def test_what_cannot_be_mixed_is_refused():
    with pytest.raises(UserError, match="did you mean 'square_root'"):
        counts(SIZES, MixSettings("squareroot"))
    with pytest.raises(UserError, match="unknown source 'd'"):
        counts(SIZES, MixSettings("weights", {"d": 1}))
    with pytest.raises(UserError, match="no loss for the source 'b'"):
        counts(SIZES, MixSettings("skills", losses={"a": 1, "c": 1}))
    with pytest.raises(UserError, match="have 1025 rows"):
        counts(SIZES, MixSettings(total=2000, upsample=False))
    with pytest.raises(UserError, match="no rows"):
        counts({"a": 0}, MixSettings())
    left_out = MixSettings("weights", {"b": 0.0}, upsample=False)
    with pytest.raises(UserError, match="10 rows and the mixture should have 20"):
        counts({"a": 10, "b": 10}, left_out)
    assert counts({"a": 10, "b": 10}, replace(left_out, total=8)) == {"a": 8, "b": 0}


def test_weights_of_a_recipe_say_the_same():
    given = counts(SIZES, MixSettings("square_root", total=450))
    assert recipe_weights(SIZES, given) == {"a": 0.333333, "b": 1.0, "c": 2.0}


def test_rows_come_equally_often():
    times = Counter(draw(10, 34, 1))
    assert sorted(times.values()) == [3] * 6 + [4] * 4
    assert draw(10, 34, 1) == draw(10, 34, 1) != draw(10, 34, 2)


def test_stages_stay_apart_and_are_shuffled_in_themselves():
    order = list(shuffled([{"a": range(50), "b": range(50)}, {"c": range(20)}], 0))
    assert {name for name, _ in order[:100]} == {"a", "b"}
    assert {name for name, _ in order[100:]} == {"c"}
    assert [name for name, _ in order[:50]] != ["a"] * 50
    assert order == list(shuffled([{"a": range(50), "b": range(50)}, {"c": range(20)}], 0))


def test_a_curriculum_rises_and_loses_nothing():
    difficulty = np.random.RandomState(0).rand(200)
    difficulty[3] = np.nan
    rows = [("a", row) for row in range(200)]
    order = list(curriculum(rows, difficulty, 0, 4))
    assert sorted(order) == rows
    means = [
        np.nanmean([difficulty[row] for _, row in order[start : start + 50]]) for start in (0, 50, 100, 150)
    ]
    assert means == sorted(means)
    assert [row for _, row in order] != np.argsort(difficulty).tolist()
