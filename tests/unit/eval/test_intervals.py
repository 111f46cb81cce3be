"""Intervals: known values, coverage, and what clustering does to them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.metrics.intervals import (
    ALL_ALIKE,
    NO_DRAW,
    ONE_CLUSTER,
    UNDEFINED,
    bootstrap,
    bootstrap_mean,
    exact_binomial,
    ratio,
    wilson,
)
from eval.report.numbers import interval, listed, without_interval


def test_exact_and_wilson_intervals_have_their_textbook_values():
    assert exact_binomial(8, 10) == pytest.approx((0.4439, 0.9748), abs=1e-4)
    assert exact_binomial(0, 20) == pytest.approx((0.0, 0.16843), abs=1e-4)
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 20)[0] == 0.0


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_intervals_of_proportions_hold_the_proportion(pair):
    right, n = pair
    for low, high in (exact_binomial(right, n), wilson(right, n)):
        assert 0 <= low <= right / n <= high <= 1
        assert high > low


@pytest.mark.parametrize("interval", [exact_binomial, wilson])
def test_what_is_no_proportion_is_refused(interval):
    with pytest.raises(ValueError, match="not a proportion"):
        interval(3, 2)


def test_bootstrap_of_a_mean_agrees_with_the_normal_approximation():
    values = np.random.default_rng(0).normal(5.0, 2.0, 400)
    found = bootstrap_mean(list(values), resamples=4000)
    half = 1.96 * values.std() / 20
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - half, abs=0.03)
    assert found.high == pytest.approx(values.mean() + half, abs=0.03)


def test_answers_about_one_image_are_not_independent():
    values = [1.0] * 50 + [0.0] * 50
    alone = bootstrap_mean(values)
    together = bootstrap_mean(values, clusters=[i // 10 for i in range(100)])
    assert together.clusters == 10
    assert together.n == alone.n == 100
    assert (together.high - together.low) > 2 * (alone.high - alone.low)


def test_clusters_may_stand_in_any_order():
    values = [float(i % 3) for i in range(60)]
    clusters = [i % 7 for i in range(60)]
    order = np.random.default_rng(3).permutation(60)
    first = bootstrap_mean(values, clusters)
    shuffled = bootstrap_mean([values[i] for i in order], [clusters[i] for i in order])
    assert first.value == pytest.approx(shuffled.value)
    assert first.low == pytest.approx(shuffled.low, abs=0.1)


def test_intervals_are_the_same_for_one_seed_and_differ_for_another():
    values = [0.0, 1.0, 1.0, 0.5, 0.2] * 8
    assert bootstrap_mean(values, seed=1) == bootstrap_mean(values, seed=1)
    assert bootstrap_mean(values, seed=1) != bootstrap_mean(values, seed=2)


def test_a_perfect_score_is_not_certain():
    found = bootstrap_mean([1.0] * 30, clusters=[i // 3 for i in range(30)])
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(exact_binomial(10, 10)[0])


def test_where_there_is_no_interval_it_is_said_why():
    halves = bootstrap_mean([1.0, 0.0] * 6, clusters=[i // 2 for i in range(12)])
    assert (halves.value, halves.low, halves.why) == (0.5, None, ALL_ALIKE)
    alone = bootstrap_mean([1.0, 0.0, 1.0], clusters=[0, 0, 0])
    assert (alone.low, alone.why) == (None, ONE_CLUSTER)
    # Equal but for the last bits of the sums is equal: an interval of no width would be sure of itself.
    thirds = bootstrap_mean([0.1, 0.2, 0.7] * 40, clusters=[i // 3 for i in range(120)])
    assert (thirds.low, thirds.why) == (None, ALL_ALIKE)
    counts = {"got": [1.0] * 9, "of": [1.0] * 9}
    points = bootstrap(counts, lambda t: {"points": 2000 * t["got"] / t["of"]}, not_shares={"points"})
    assert (points["points"].value, points["points"].why) == (2000.0, ALL_ALIKE)
    nothing = bootstrap(counts, lambda t: {"f1": ratio(t["got"], 0 * t["of"])})["f1"]
    assert (nothing.value, nothing.why) == (None, UNDEFINED)
    once = bootstrap(counts, lambda t: {"f1": t["got"] * (1.0 if len(t["got"]) == 1 else np.nan)})["f1"]
    assert once.why == NO_DRAW
    assert bootstrap_mean([1.0] * 9).why is None and bootstrap_mean([0.0, 1.0]).why is None


def test_reasons_are_told_once_for_all_that_they_concern():
    lacking = {"value": 0.5, "low": None, "high": None, "why": ALL_ALIKE}
    there = {"value": 0.5, "low": 0.4, "high": 0.6, "why": None}
    undefined = {"value": None, "low": None, "high": None, "why": UNDEFINED}
    found = without_interval({"a": lacking, "b": there, "c": undefined, "d": lacking, "e": None})
    assert found == [f"no interval of a, d: {ALL_ALIKE}"]
    assert interval(lacking) == f"none: {ALL_ALIKE}" and interval(undefined) == "–"
    assert listed(list("abcdef")) == "a, b, c, d and 2 more" and listed(list("abcd")) == "a, b, c, d"


def test_ratios_of_sums_are_resampled_as_ratios():
    counts = {"tp": [1.0, 0.0, 1.0, 0.0], "said": [1.0, 1.0, 1.0, 0.0]}
    found = bootstrap(counts, lambda t: {"precision": ratio(t["tp"], t["said"])})["precision"]
    assert found.value == pytest.approx(2 / 3)
    assert 0 <= found.low < found.value < found.high <= 1


def test_an_undefined_metric_is_none():
    counts = {"tp": [0.0, 0.0], "said": [0.0, 0.0]}
    found = bootstrap(counts, lambda t: {"precision": ratio(t["tp"], t["said"])})["precision"]
    assert (found.value, found.low, found.high, found.n) == (None, None, None, 2)


def test_nothing_cannot_be_scored():
    with pytest.raises(ValueError, match="at least one item"):
        bootstrap_mean([])


def test_nominal_coverage_is_about_right():
    random = np.random.default_rng(5)
    hits = 0
    for trial in range(120):
        sample = (random.random(80) < 0.7).astype(float)
        found = bootstrap_mean(list(sample), resamples=300, seed=trial)
        hits += found.low <= 0.7 <= found.high
    assert 0.88 <= hits / 120 <= 1.0


def test_what_is_no_share_has_no_binomial_interval():
    counts = {"cider": [0.0] * 10, "right": [0.0] * 10, "n": [1.0] * 10}

    def statistic(sums):
        return {"cider": sums["cider"] / sums["n"], "right": sums["right"] / sums["n"]}

    found = bootstrap(counts, statistic, not_shares={"cider"})
    assert (found["cider"].value, found["cider"].low, found["cider"].high) == (0.0, None, None)
    assert found["right"].high == pytest.approx(exact_binomial(0, 10)[1])


def test_a_metric_over_some_of_the_items_has_their_number_and_their_interval():
    counts = {"right": [1.0] * 10, "items": [1.0] * 10, "some": [1.0] * 3 + [0.0] * 7}

    def metrics(totals):
        return {
            "all": ratio(totals["right"], totals["items"]),
            "of some": ratio(totals["some"], totals["some"]),
        }

    found = bootstrap(counts, metrics, behind=lambda metric: ("some",) if metric == "of some" else ())
    assert (found["all"].n, found["of some"].n, found["of some"].clusters) == (10, 3, 3)
    assert found["of some"].low == pytest.approx(exact_binomial(3, 3)[0])


def test_draws_that_all_agree_say_nothing_about_a_score_out_of_200():
    found = bootstrap(
        {"right": [1.0] * 5}, lambda totals: {"score": 40 * totals["right"]}, not_shares={"score"}
    )
    assert (found["score"].value, found["score"].low) == (200.0, None)


def test_few_different_clusters_and_many_give_the_same_interval():
    """Both ways of drawing, on the same data: one kind of cluster is told apart by a count that nobody uses."""
    values = [float(i % 4 == 0) for i in range(400)]
    few = bootstrap_mean(values, resamples=4000)
    many = bootstrap(
        {"value": values, "items": [1.0] * 400, "other": [float(i) for i in range(400)]},
        lambda totals: {"mean": ratio(totals["value"], totals["items"])},
        resamples=4000,
    )["mean"]
    assert few.value == many.value == 0.25
    assert (few.low, few.high) == (pytest.approx(many.low, abs=0.006), pytest.approx(many.high, abs=0.006))


@pytest.mark.parametrize(("right", "items", "reached"), [(2, 5, False), (10, 20, True), (400, 1000, True)])
def test_a_detectable_difference_is_one_that_a_share_can_have(right, items, reached):
    found = bootstrap_mean([1.0] * right + [0.0] * (items - right))
    assert found.out_of_reach is not reached
    if reached:
        assert found.detectable is not None and 0 < found.detectable <= max(found.value, 1 - found.value)
    else:
        assert found.detectable is None


def test_what_is_no_share_has_no_such_bound():
    values = [0.0, 200.0, 40.0]
    counts = {"value": values, "items": [1.0] * 3}

    def mean(totals):
        return {"mean": totals["value"] / totals["items"]}

    found = bootstrap(counts, mean, not_shares=("mean",), resamples=200)["mean"]
    assert found.detectable > 100 and not found.out_of_reach
