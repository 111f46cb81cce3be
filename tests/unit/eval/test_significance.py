"""Paired tests, corrections, power and seeds: against values by hand, against SciPy, and by simulation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from eval.metrics.intervals import exact_binomial, ratio
from eval.metrics.power import detectable, detectable_alone, fewest_flips
from eval.metrics.significance import benjamini_hochberg, holm, mcnemar_exact, swap_test
from eval.metrics.student import incomplete_beta, over_seeds_and_items, t_quantile, t_two_sided, variance


def mean(totals):
    return {"accuracy": ratio(totals["right"], totals["items"])}


def f1(totals):
    tp, fp, fn = (totals[name] for name in ("tp", "fp", "fn"))
    return {"f1": ratio(2 * tp, 2 * tp + fp + fn)}


def marks(values):
    return {"right": [float(v) for v in values], "items": [1.0] * len(values)}


@pytest.mark.parametrize(
    ("only_first", "only_second", "p"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),
        (5, 5, 1.0),
        (6, 0, 2 / 64),  # 2 * 0.5^6
        (1, 8, 2 * (1 + 9) / 512),
        (10, 2, 2 * (1 + 12 + 66) / 4096),
    ],
)
def test_mcnemar_by_hand(only_first, only_second, p):
    assert mcnemar_exact(only_first, only_second) == pytest.approx(p)
    assert mcnemar_exact(only_second, only_first) == pytest.approx(p)


@pytest.mark.parametrize("pair", [(3, 14), (40, 61), (2900, 3100)])
def test_mcnemar_is_the_binomial_test(pair):
    assert mcnemar_exact(*pair) == pytest.approx(stats.binomtest(pair[0], sum(pair)).pvalue, rel=1e-9)


def test_mcnemar_takes_numbers_of_items():
    with pytest.raises(ValueError, match="no numbers of items"):
        mcnemar_exact(-1, 3)


def test_holm_and_benjamini_hochberg_by_hand():
    p_values = [0.01, 0.04, 0.03, 0.005]
    assert holm(p_values) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert benjamini_hochberg(p_values) == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([0.02, None, 0.01]) == pytest.approx([0.02, None, 0.02])
    assert benjamini_hochberg([None, 0.04]) == [None, 0.04]
    assert holm([]) == benjamini_hochberg([None][:0]) == []


def test_benjamini_hochberg_is_scipys():
    p_values = list(np.random.default_rng(1).random(25) ** 2)
    assert benjamini_hochberg(p_values) == pytest.approx(list(stats.false_discovery_control(p_values)))


def test_all_exchanges_of_a_mean_are_the_sign_flip_test():
    """Eight items that only the second has right, one that only the first has: as McNemar's."""
    first, second = [0] * 8 + [1] + [1] * 20, [1] * 8 + [0] + [1] * 20
    found = swap_test(marks(first), marks(second), mean)["accuracy"]
    assert found.exact
    assert found.difference == pytest.approx(7 / 29)
    assert found.p == pytest.approx(mcnemar_exact(1, 8))
    assert found.null_sd == pytest.approx(math.sqrt(9) / 29)


def test_exchanges_of_a_ratio_by_hand():
    """F1 of four questions, every one of the 16 exchanges computed anew."""
    first = {"tp": [1, 0, 1, 0], "fp": [0, 1, 0, 0], "fn": [0, 0, 0, 1]}
    second = {"tp": [1, 0, 0, 1], "fp": [0, 0, 0, 0], "fn": [0, 0, 1, 0]}

    def score(rows):
        tp, fp, fn = (sum(row[i] for row in rows) for i in range(3))
        return 2 * tp / (2 * tp + fp + fn)

    pairs = list(zip(zip(*first.values(), strict=True), zip(*second.values(), strict=True), strict=True))
    observed = score([b for _, b in pairs]) - score([a for a, _ in pairs])
    extreme = 0
    for swapped in itertools.product([False, True], repeat=4):
        a = [two if s else one for (one, two), s in zip(pairs, swapped, strict=True)]
        b = [one if s else two for (one, two), s in zip(pairs, swapped, strict=True)]
        extreme += abs(score(b) - score(a)) >= abs(observed) - 1e-12
    found = swap_test(first, second, f1)["f1"]
    assert found.difference == pytest.approx(observed)
    assert found.p == pytest.approx(extreme / 16)


def test_whole_images_change_places():
    """Three questions about each of four images, all flipped together: there are only 2^4 exchanges."""
    first, second = [0] * 12, [1] * 12
    images = [i // 3 for i in range(12)]
    assert swap_test(marks(first), marks(second), mean, images)["accuracy"].p == pytest.approx(2 / 16)
    assert swap_test(marks(first), marks(second), mean)["accuracy"].p == pytest.approx(2 / 4096)


def test_models_that_do_not_differ_and_metrics_that_are_undefined():
    same = swap_test(marks([1, 0, 1]), marks([1, 0, 1]), mean)["accuracy"]
    assert (same.difference, same.p, same.exact, same.null_sd) == (0.0, 1.0, True, 0.0)
    nothing = {"tp": [0.0], "fp": [0.0], "fn": [0.0]}
    undefined = swap_test(nothing, nothing, f1)["f1"]
    assert (undefined.difference, undefined.p) == (None, None)
    with pytest.raises(ValueError, match="different counts"):
        swap_test(marks([1]), nothing, f1)
    with pytest.raises(ValueError, match="same items"):
        swap_test(marks([1, 0]), marks([1]), mean)


def test_few_kinds_of_change_and_many_have_the_same_law():
    """Equal changes are drawn as one; a count that nobody uses makes all of them different."""
    random = np.random.default_rng(3)
    first = (random.random(300) < 0.6).astype(float)
    second = np.where(random.random(300) < 0.2, 1 - first, first)
    plain = swap_test(marks(first), marks(second), mean, permutations=20_000)["accuracy"]
    told_apart = {"other": list(random.random(300))}
    many = swap_test(
        marks(first) | told_apart,
        marks(second) | {"other": [0.0] * 300},
        mean,
        permutations=20_000,
    )["accuracy"]
    assert not plain.exact and not many.exact
    assert many.p == pytest.approx(plain.p, abs=0.015)
    assert many.null_sd == pytest.approx(plain.null_sd, rel=0.03)
    by_hand = math.sqrt(float(np.sum(first != second))) / 300
    assert plain.null_sd == pytest.approx(by_hand, rel=0.02)


@pytest.mark.parametrize("statistic", [mean, f1], ids=["mean", "f1"])
def test_p_values_are_uniform_where_the_models_are_equal(statistic):
    """Two models of one quality, three questions an image whose answers hang together."""
    random = np.random.default_rng(1)
    images = np.repeat(np.arange(60), 3)
    p_values = []
    for trial in range(600):
        hard = random.random(60)[images]
        counts = []
        for _ in range(2):
            # Each model finds whole images hard, beside what is hard for both.
            own = random.random(60)[images]
            right = random.random(180) < np.clip(1.2 - 0.6 * hard - 0.5 * own, 0, 1)
            yes = np.arange(180) % 2 == 0
            counts.append(
                {
                    # Not only 0 and 1, so that few p-values are equal.
                    "right": right * (0.5 + 0.5 * random.random(180)),
                    "items": np.ones(180),
                    "tp": (right & yes).astype(float),
                    "fp": (~right & ~yes).astype(float),
                    "fn": (~right & yes).astype(float),
                }
            )
        found = swap_test(counts[0], counts[1], statistic, list(images), permutations=399, seed=trial)
        p_values.append(next(iter(found.values())).p)
    for level in (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8):  # four standard errors of 600 draws
        assert np.mean(np.array(p_values) <= level) == pytest.approx(
            level, abs=4 * math.sqrt(level * (1 - level) / 600)
        )


def test_items_of_one_image_are_not_independent():
    """McNemar's test on such data finds differences that are not there; the exchange of images does not."""
    random = np.random.default_rng(5)
    images = list(np.repeat(np.arange(25), 8))
    naive = clustered = 0
    for trial in range(150):
        runs = [np.repeat(random.random(25) < 0.6, 8) for _ in range(2)]
        naive += mcnemar_exact(int(np.sum(runs[0] & ~runs[1])), int(np.sum(runs[1] & ~runs[0]))) <= 0.05
        found = swap_test(marks(runs[0]), marks(runs[1]), mean, images, permutations=399, seed=trial)
        clustered += found["accuracy"].p <= 0.05
    assert naive / 150 > 0.3
    assert clustered / 150 < 0.1


def test_the_detectable_difference_is_detected_in_four_of_five_tries():
    """1,200 items, one in five answered otherwise; the second model is better by what is said to be seen."""
    items, discordant = 1200, 0.2
    smallest = detectable(math.sqrt(discordant / items))
    assert smallest == pytest.approx((1.95996 + 0.84162) * math.sqrt(discordant / items), rel=1e-4)
    random = np.random.default_rng(2)
    only_second = (discordant + smallest) / 2
    drawn = random.multinomial(items, [discordant - only_second, only_second, 1 - discordant], size=1500)
    power = np.mean([mcnemar_exact(int(a), int(b)) <= 0.05 for a, b, _ in drawn])
    assert 0.74 < power < 0.83  # the exact test is a little cautious


def test_the_difference_seen_without_a_second_model():
    items, share = 800, 0.7
    smallest = detectable_alone(math.sqrt(share * (1 - share) / items))
    random = np.random.default_rng(4)
    a = random.binomial(items, share - smallest / 2, 4000) / items
    b = random.binomial(items, share + smallest / 2, 4000) / items
    pooled = (a + b) / 2
    z = (b - a) / np.sqrt(2 * pooled * (1 - pooled) / items)
    assert np.mean(np.abs(z) > 1.95996) == pytest.approx(0.8, abs=0.03)


def test_power_and_level_are_shares():
    with pytest.raises(ValueError, match="between 0 and 1"):
        detectable(0.1, level=1.0)
    assert (fewest_flips(0.95), fewest_flips(0.99)) == (6, 8)
    assert mcnemar_exact(6, 0) <= 0.05 < mcnemar_exact(5, 0)


def test_students_t_is_scipys():
    for t, degrees in itertools.product((0.0, 0.3, 2.1, 9.0), (1, 2.5, 4, 30, 500)):
        assert t_two_sided(t, degrees) == pytest.approx(2 * stats.t.sf(t, degrees), rel=1e-9, abs=1e-300)
        assert t_quantile(0.975, degrees) == pytest.approx(stats.t.ppf(0.975, degrees), rel=1e-9)
    assert t_two_sided(math.inf, 3) == 0.0
    assert incomplete_beta(2, 3, 0.0) == 0.0 and incomplete_beta(2, 3, 1.0) == 1.0


def test_without_spread_of_items_seeds_are_welchs_test():
    first, second = [0.70, 0.72, 0.71], [0.75, 0.74, 0.79, 0.76]
    found = over_seeds_and_items(first, second, items_se=0.0, clusters=100)
    expected = stats.ttest_ind(second, first, equal_var=False)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.degrees == pytest.approx(expected.df)
    interval = expected.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_the_spread_of_items_widens_the_interval_and_one_seed_tells_no_spread():
    first, second = [0.70, 0.72, 0.71], [0.75, 0.74, 0.79]
    narrow = over_seeds_and_items(first, second, 0.0, 100)
    wide = over_seeds_and_items(first, second, 0.05, 100)
    assert wide.high - wide.low > narrow.high - narrow.low and wide.p > narrow.p
    assert wide.se == pytest.approx(math.hypot(narrow.se, 0.05))
    assert over_seeds_and_items([0.7], second, 0.01, 100) is None
    assert over_seeds_and_items([0.7, 0.7], [0.7, 0.7], 0.0, 100) is None
    with pytest.raises(ValueError, match="no spread"):
        variance([1.0])


def test_a_test_over_seeds_and_items_holds_its_level():
    """Models of one recipe: seeds differ, and so would other items."""
    random = np.random.default_rng(8)
    found = []
    for _ in range(250):
        items = random.normal(0, 0.02)  # this sample of items suits the second model
        seeds = random.normal(0.7, 0.03, (2, 3))
        found.append(over_seeds_and_items(list(seeds[0]), list(seeds[1] + items), 0.02, 500).p)
    assert 0.02 < np.mean(np.array(found) <= 0.05) < 0.08


@pytest.mark.parametrize("trials", [1, 7, 300])
def test_the_ends_of_the_exact_interval_have_a_closed_form(trials):
    low, high = exact_binomial(0, trials)
    assert (low, high) == (0.0, pytest.approx(stats.binomtest(0, trials).proportion_ci(0.95).high))
    low, high = exact_binomial(trials, trials)
    assert (low, high) == (pytest.approx(stats.binomtest(trials, trials).proportion_ci(0.95).low), 1.0)


def test_what_clustered_answers_can_show_is_shown_in_four_of_five_tries():
    """F1 over 80 images of four questions each: what one pair of equal models says that such data can show,
    pairs that truly differ by as much show in four of five cases."""
    random = np.random.default_rng(13)
    images = np.repeat(np.arange(80), 4)
    yes = np.arange(320) % 2 == 0

    def answers(share):
        hard = random.random(80)[images]
        right = random.random(320) < np.clip(share + 0.5 * (0.5 - hard), 0, 1)
        return {
            "tp": (right & yes).astype(float),
            "fp": (~right & ~yes).astype(float),
            "fn": (~right & yes).astype(float),
        }

    def test(better, seed):
        return swap_test(answers(0.6), answers(0.6 + better), f1, list(images), 399, seed)["f1"]

    smallest = np.mean([detectable(test(0.0, seed).null_sd) for seed in range(40)])
    found = [test(smallest, seed) for seed in range(400)]
    # Right answers to yes and no alike move F1 by as much.
    assert np.mean([one.difference for one in found]) == pytest.approx(smallest, rel=0.1)
    assert np.mean([one.p <= 0.05 for one in found]) == pytest.approx(0.8, abs=0.06)
