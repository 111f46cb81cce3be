"""How sure a difference is: pairs, images that belong together, corrections, and too few items."""

from __future__ import annotations

import random

import pytest

from eval.compare import compare
from eval.metrics.significance import mcnemar_exact
from eval.report.comparison import write_comparison
from mmtune.commands.compare_table import show_comparison
from tests.stored_runs import PLAIN, right_or_wrong, write_run, yes_no
from tests.unit.eval.compare.runs import QUICK, given


def test_right_and_wrong_of_images_of_their_own_is_mcnemars_test(pair):
    found = compare(given(*pair), QUICK)
    accuracy = found["tasks"]["plain"]["metrics"]["accuracy"]
    change = accuracy["against_first"][1]
    assert [one["value"] for one in accuracy["values"]] == pytest.approx([17 / 31, 24 / 31])
    assert change["difference"] == pytest.approx(7 / 31)
    assert (change["test"], change["p"]) == ("mcnemar_exact", pytest.approx(mcnemar_exact(2, 9)))
    assert change["mcnemar"] == {"only_first": 2, "only_this": 9, "p": change["p"]}
    assert change["low"] < change["difference"] < change["high"]
    assert change["p_holm"] == change["p_bh"] == change["p"], "one task needs no correction"
    # 2.8 standard errors of 11 discordant answers, and never less than six flips.
    assert change["detectable"] == pytest.approx(2.8 * 11**0.5 / 31, rel=0.1)
    assert change["detectable"] >= 6 / 31


def test_questions_about_one_image_change_places_together(tmp_path):
    images = [f"{i // 4}.png" for i in range(48)]
    first, second = [0] * 16 + [1] * 32, [1] * 16 + [1] * 32
    for name, values in (("a", first), ("b", second)):
        write_run(tmp_path / name, {"plain": (PLAIN, right_or_wrong(values, images))})
    change = compare(given(tmp_path / "a", tmp_path / "b"), QUICK)["tasks"]["plain"]["metrics"]["accuracy"][
        "against_first"
    ][1]
    assert change["test"] == "swap_exact"
    assert change["p"] == pytest.approx(2 / 2**4), "four images differ"
    assert change["mcnemar"]["p"] == pytest.approx(2 / 2**16), "and sixteen questions"
    assert change["clusters"] == 12


def test_pairs_are_compared_and_not_two_samples(tmp_path):
    """What is hard for both cancels out: the interval of the difference is narrower than those of the scores."""
    draw = random.Random(1)
    base = [draw.random() < 0.6 for _ in range(400)]
    other = [value if draw.random() < 0.95 else not value for value in base]
    for name, values in (("a", base), ("b", other)):
        write_run(tmp_path / name, {"pope": ("pope", yes_no(values))})
    f1 = compare(given(tmp_path / "a", tmp_path / "b"), QUICK)["tasks"]["pope"]["metrics"]["f1"]
    change = f1["against_first"][1]
    widths = [one["high"] - one["low"] for one in f1["values"]]
    assert change["high"] - change["low"] < 0.6 * min(widths)
    assert change["test"] == "swap", "a ratio has no McNemar"
    assert change["difference"] == pytest.approx(f1["values"][1]["value"] - f1["values"][0]["value"])


def test_models_that_agree_on_everything_are_bounded_and_not_certain(tmp_path):
    for name in "ab":
        write_run(tmp_path / name, {"plain": (PLAIN, right_or_wrong([1, 0] * 30))})
    change = compare(given(tmp_path / "a", tmp_path / "b"), QUICK)["tasks"]["plain"]["metrics"]["accuracy"][
        "against_first"
    ][1]
    assert (change["difference"], change["p"]) == (0.0, 1.0)
    assert change["high"] == -change["low"] == pytest.approx(1 - 0.025 ** (1 / 60))
    assert change["detectable"] == pytest.approx(6 / 60)


def test_few_items_say_that_they_would_show_no_difference(tmp_path, capsys):
    """Five items never flip six times."""
    for name, values in (("a", [1, 0, 1, 0, 1]), ("b", [1, 1, 1, 0, 0])):
        write_run(tmp_path / name, {"plain": (PLAIN, right_or_wrong(values))})
    found = compare(given(tmp_path / "a", tmp_path / "b"), QUICK)
    change = found["tasks"]["plain"]["metrics"]["accuracy"]["against_first"][1]
    assert change["detectable"] is None and change["out_of_reach"]
    show_comparison(found)
    assert "not with this n" in capsys.readouterr().out
    page = write_comparison(tmp_path / "page.html", found, given(tmp_path / "a", tmp_path / "b"))
    assert '<td class="n">not with this n</td>' in page.read_text()


def test_p_values_are_corrected_over_tasks_and_models(tmp_path):
    draw = random.Random(3)
    base = [draw.random() < 0.5 for _ in range(300)]
    for name, share in (("a", 0.0), ("b", 0.1), ("c", 0.04)):
        tasks = {}
        for task in ("one", "two"):
            values = [value or draw.random() < share for value in base]
            tasks[task] = (PLAIN, right_or_wrong(values))
        write_run(tmp_path / name, tasks)
    found = compare(given(*(tmp_path / name for name in "abc")), QUICK)
    changes = [
        found["tasks"][task]["metrics"]["accuracy"]["against_first"][model]
        for task in ("one", "two")
        for model in (1, 2)
    ]
    smallest = min(changes, key=lambda change: change["p"])
    assert smallest["p_holm"] == pytest.approx(min(1.0, 4 * smallest["p"]))
    assert all(change["p"] <= change["p_bh"] <= change["p_holm"] for change in changes)
    other = found["tasks"]["one"]["metrics"]["unparsed"]["against_first"][1]
    assert "p_holm" not in other


def test_a_comparison_is_the_same_every_time(pair):
    assert compare(given(*pair), QUICK) == compare(given(*pair), QUICK)
