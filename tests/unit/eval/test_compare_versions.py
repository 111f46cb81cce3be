"""Runs whose answers were counted otherwise are not compared as if the missing counts were zeros."""

from __future__ import annotations

import json

import pytest

from eval.compare import compare, parse_groups
from eval.compare.comparing import Drawing
from mmtune.errors import UserError
from tests.stored_runs import Given, write_run

QUICK = Drawing(resamples=100, permutations=99)


def answers(number=12):
    """POPE's: every fourth is wrong, every other question is to be answered yes."""
    rows = []
    for place in range(number):
        true, right = place % 2 == 0, place % 4 != 3
        said = true is right
        counts = {
            "tp": said and true,
            "fp": said and not true,
            "tn": not said and not true,
            "fn": not said and true,
            "neither": False,
            "tp_fixed": said and true,
            "tn_fixed": not said and not true,
            "yes_fixed": said,
        }
        rows.append(Given(str(place), {name: float(one) for name, one in counts.items()}, f"{place}.png"))
    return rows


@pytest.fixture
def runs(tmp_path):
    return [write_run(tmp_path / name, {"pope": ("pope", answers())}) for name in ("before", "after")]


@pytest.mark.parametrize("older", [0, 1])
def test_a_run_of_a_version_that_counted_less_is_refused_beside_one_that_counts_all(runs, older):
    path = runs[older] / "predictions.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        row["counts"] = {name: one for name, one in row["counts"].items() if not name.endswith("_fixed")}
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(UserError, match=r"have a count '\w+_fixed' in one run and none in another.*again"):
        compare(parse_groups(list(map(str, runs))), QUICK)


def test_a_difference_with_an_interval_says_nothing_of_why_it_had_none(runs):
    """F1 of runs that agree in all is bounded by what may have gone unseen, though all draws are alike."""
    metrics = compare(parse_groups(list(map(str, runs))), QUICK)["tasks"]["pope"]["metrics"]
    for metric, found in metrics.items():
        change = found["against_first"][1]
        assert change["difference"] == 0 and change["low"] < 0 < change["high"], metric
        assert change["why"] is None, metric
