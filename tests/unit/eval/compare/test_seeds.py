"""Several seeds of one model: what spreads between them, and what between items."""

from __future__ import annotations

import random

import pytest

from eval.compare import compare
from tests.stored_runs import PLAIN, right_or_wrong, write_run
from tests.unit.eval.compare.runs import QUICK, given


def test_seeds_spread_and_items_spread_are_told_apart(tmp_path):
    """Seeds that differ by ten points among themselves cannot show a difference of five."""
    draw = random.Random(5)
    items = 600
    shares = {"a1": 0.60, "a2": 0.70, "a3": 0.65, "b1": 0.66, "b2": 0.76, "b3": 0.70}
    hard = [draw.random() for _ in range(items)]
    for name, share in shares.items():
        write_run(tmp_path / name, {"plain": (PLAIN, right_or_wrong([value < share for value in hard]))})
    groups = given(
        a=",".join(str(tmp_path / f"a{i}") for i in (1, 2, 3)),
        b=",".join(str(tmp_path / f"b{i}") for i in (1, 2, 3)),
    )
    found = compare(groups, QUICK)["tasks"]["plain"]
    first, second = found["metrics"]["accuracy"]["values"]
    change = found["metrics"]["accuracy"]["against_first"][1]
    assert first["value"] == pytest.approx(sum(first["seeds"]) / 3)
    assert first["between_seeds"] == pytest.approx(0.05, abs=0.02)
    assert 0.01 < first["between_items"] < 0.03
    assert change["difference"] == pytest.approx(second["value"] - first["value"])
    assert change["test"] == "t_seeds_and_items"
    assert change["p"] > 0.05
    assert change["items"]["low"] > 0, "on these seeds alone the difference is clear"
    assert change["low"] < 0 < change["high"]
    assert found["flips"][1]["only_first"] + found["flips"][1]["only_this"] > 0


def test_one_seed_against_three_counts_items_alone_and_says_so(tmp_path):
    draw = random.Random(6)
    for name, share in (("a", 0.5), ("b1", 0.7), ("b2", 0.7)):
        write_run(
            tmp_path / name, {"plain": (PLAIN, right_or_wrong([draw.random() < share for _ in range(200)]))}
        )
    groups = given(a=tmp_path / "a", b=f"{tmp_path / 'b1'},{tmp_path / 'b2'}")
    change = compare(groups, QUICK)["tasks"]["plain"]["metrics"]["accuracy"]["against_first"][1]
    assert change["test"] == "z_items_alone"
    assert change["p"] < 0.01
