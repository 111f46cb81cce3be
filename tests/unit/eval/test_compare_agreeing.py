"""Runs that agree on every item: how far apart they may be is bounded by all images that may differ unseen."""

from __future__ import annotations

import pytest

from eval.compare import compare, parse_groups
from eval.compare.comparing import Drawing
from tests.stored_runs import right_or_wrong, write_run

UNSEEN = 1 - 0.025 ** (1 / 4)
"""The share of four images of which a difference can go unseen, at 95 %."""


@pytest.mark.parametrize(
    ("scores", "farthest"),
    [
        # 2.41 images fall to the least score that was seen: the best first, of the last a part.
        ((0.3, 0.6, 1.0, 0.9), 0.7 + 0.6 + 0.3 * (4 * UNSEEN - 2)),
        ((0.0, 0.1, 0.1, 0.5), 0.5 + 0.4 * (4 * UNSEEN - 1)),  # here they rise to the best
        ((0.5, 0.5, 1.0, 1.0), 2 * 0.5),
    ],
)
def test_all_images_that_may_differ_unseen_count_whatever_they_scored(tmp_path, scores, farthest):
    runs = [write_run(tmp_path / name, {"plain": ("realworldqa", right_or_wrong(scores))}) for name in "ab"]
    found = compare(parse_groups(list(map(str, runs))), Drawing(resamples=100, permutations=99))
    change = found["tasks"]["plain"]["metrics"]["accuracy"]["against_first"][1]
    assert (change["difference"], change["p"]) == (0.0, 1.0)
    assert change["high"] == -change["low"] == pytest.approx(farthest / 4)
