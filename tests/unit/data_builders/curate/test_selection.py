"""Each selector on pools whose right choice is known."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from data_builders.curate.selection import SELECTORS, Pool, Settings, facility_location, select
from data_builders.curate.selection.base import ranks
from data_builders.curate.selection.clusters import quotas
from data_builders.curate.selection.k_means import quota_weights
from data_builders.curate.selection.less import influence
from data_builders.curate.selection.linear_rule import fit
from data_builders.curate.selection.self_judge import ratings
from mmtune.errors import UserError


def pool_of(size: int, seed: int = 0, width: int = 6) -> Pool:
    random = np.random.RandomState(seed)
    features = random.randn(size, width).astype(np.float32)
    return Pool(
        size,
        {"rating": random.rand(size), "difficulty": random.rand(size)},
        {"plain": features, "gradients": features, "hidden": features},
        {"gradients": features[:2], "hidden": features[:3]},
    )


@pytest.mark.parametrize("name", list(SELECTORS))
@pytest.mark.parametrize("count", [1, 7, 40])
def test_every_selector_gives_the_number_asked_for_and_the_same_again(name, count):
    settings = Settings(weights={"rating": 1.0})
    first = select(name, pool_of(40), count, 3, settings)
    assert len(first) == len(set(first)) == count
    assert first == select(name, pool_of(40), count, 3, settings)


def test_any_whole_number_is_a_seed_and_the_baseline_has_rows_of_its_own():
    for name in ("random", "k_means", "facility_location"):
        assert len(select(name, pool_of(40), 5, -1)) == 5
    plain = Pool(400, {}, {"plain": pool_of(400).features["plain"]})
    shared = set(select("k_means", plain, 100, 0, Settings(clusters=4))) & set(
        select("random", plain, 100, 0)
    )
    assert len(shared) < 50


@pytest.mark.parametrize("name", list(SELECTORS))
def test_equal_rows_are_no_trouble(name):
    same = np.ones((20, 4), dtype=np.float32)
    pool = Pool(
        20,
        {"rating": np.ones(20), "difficulty": np.ones(20)},
        dict.fromkeys(("plain", "gradients", "hidden"), same),
        {"gradients": same[:1], "hidden": same[:1]},
    )
    assert len(select(name, pool, 5, 0, Settings(weights={"rating": 1.0}))) == 5


def test_the_cascade_takes_the_best_answers_of_the_best_questions():
    questions, answers = np.arange(100.0), np.arange(100.0)[::-1]
    pool = Pool(100, {"reward": answers, "question_reward": questions})
    settings = Settings(quality="reward", complexity="question_reward")
    # A tenth is chosen: the square root of it, 32 questions, then ten of their answers.
    assert select("align2llava", pool, 10, 0, settings) == list(range(68, 78))
    assert select("align2llava", pool, 100, 0, settings) == list(range(100))


def test_what_is_missing_is_named():
    with pytest.raises(UserError, match="no score 'rating'"):
        select("top_k", Pool(3), 1)
    with pytest.raises(UserError, match="--targets"):
        select("less", Pool(3, features={"gradients": np.ones((3, 2), np.float32)}), 1)
    with pytest.raises(UserError, match="did you mean 'deita'"):
        select("deitta", Pool(3), 1)
    with pytest.raises(UserError, match="4 of 3 rows"):
        select("random", Pool(3), 4)
    with pytest.raises(UserError, match="no weights"):
        select("linear_rule", Pool(3), 1)


def test_top_k_takes_rows_without_a_score_last():
    pool = Pool(4, {"rating": np.array([1.0, np.nan, 5.0, 2.0])})
    assert select("top_k", pool, 3) == [2, 3, 0]


def test_deita_keeps_its_distance_from_chosen_rows_and_not_from_all():
    # The best row, a copy of it, and a good row elsewhere; what a copy is near to is chosen, so it is passed.
    features = np.array([[1, 0], [1, 0.01], [0, 1], [0.01, 1]], dtype=np.float32)
    pool = Pool(4, {"rating": np.array([4.0, 3.0, 2.0, 1.0]), "difficulty": np.ones(4)}, {"plain": features})
    assert select("deita", pool, 2) == [0, 2]
    assert select("deita", pool, 3) == [0, 2, 1]


def test_k_center_covers_within_twice_the_best_radius():
    pool = pool_of(14, width=2)
    points = pool.unit("plain")
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    best = min(apart[:, list(some)].min(axis=1).max() for some in combinations(range(14), 3))
    assert apart[:, select("k_center", pool, 3)].min(axis=1).max() <= 2 * best + 1e-9


def test_facility_location_is_the_plain_greedy_and_near_the_best():
    pool = pool_of(12, width=3)
    similar = np.maximum(pool.unit("plain") @ pool.unit("plain").T, 0)

    def value(some):
        return similar[list(some)].max(axis=0).sum()

    chosen: list[int] = []
    for _ in range(4):
        chosen.append(
            max((p for p in range(12) if p not in chosen), key=lambda p: (round(value([*chosen, p]), 9), -p))
        )
    found = select("facility_location", pool, 4)
    # Two rows may add the same, so values are compared and not places.
    assert [value(found[: n + 1]) for n in range(4)] == pytest.approx(
        [value(chosen[: n + 1]) for n in range(4)]
    )
    assert value(found) >= (1 - 1 / np.e) * max(value(some) for some in combinations(range(12), 4))


def test_k_means_gives_a_rare_cluster_its_share_and_junk_loses_it():
    random = np.random.RandomState(0)
    centres = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    labels = np.array([0] * 60 + [1] * 30 + [2] * 10)
    features = (centres[labels] + 0.01 * random.randn(100, 3)).astype(np.float32)
    chosen = select("k_means", Pool(100, {}, {"plain": features}), 20, 0, Settings(clusters=3))
    assert np.bincount(labels[chosen]).tolist() == [12, 6, 2]
    shares = np.array([0.6, 0.3, 0.1])
    grown = quota_weights(shares, np.array([-1.0, 0.5, 0.5]))
    assert grown[0] < 0.6 and grown[1] > 0.3 and grown.sum() == pytest.approx(1)


@hypothesis_settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.floats(0, 10), st.integers(0, 9)), min_size=1, max_size=6), st.floats(0, 1))
def test_quotas_add_up_and_fit(clusters, share):
    shares = np.array([one for one, _ in clusters])
    sizes = np.array([size for _, size in clusters])
    count = int(share * sizes.sum())
    given_rows = quotas(shares, sizes, count)
    assert given_rows.sum() == count
    assert (given_rows <= sizes).all() and (given_rows >= 0).all()


def test_quotas_are_by_largest_remainder():
    assert quotas(np.array([5.0, 3.0, 2.0]), np.array([9, 9, 9]), 4).tolist() == [2, 1, 1]
    assert quotas(np.array([8.0, 1.0, 1.0]), np.array([3, 9, 9]), 9).tolist() == [3, 3, 3]
    assert quotas(np.array([1.0, 1.0, 1.0, 0.0]), np.array([3, 3, 9, 9]), 11).tolist() == [3, 3, 5, 0]
    assert quotas(np.array([1.0, 0.0]), np.array([3, 9]), 5).tolist() == [3, 2]


def test_less_takes_the_task_that_a_row_helps_most():
    rows = np.array([[1, 0], [0, 1], [0.8, 0.6], [-1, 0]], dtype=np.float32)
    pool = Pool(
        4, {}, {"gradients": rows}, {"gradients": np.array([[2, 0], [0, 3]], np.float32)}, np.array([0, 1])
    )
    assert influence(pool) == pytest.approx([1, 1, 0.8, 0])
    both = Pool(
        4,
        {},
        {"gradients": rows, "gradients-2": rows},
        {"gradients": pool.targets["gradients"], "gradients-2": pool.targets["gradients"]},
        pool.groups,
    )
    assert influence(both) == pytest.approx([2, 2, 1.6, 0])
    # Over all checkpoints first, and then over the tasks: the first row helps a task at each, never the same.
    turned = Pool(
        2,
        {},
        {"gradients": rows[:3:2], "gradients-2": rows[1:3]},
        dict.fromkeys(("gradients", "gradients-2"), pool.targets["gradients"]),
        pool.groups,
    )
    assert influence(turned) == pytest.approx([1, 1.6])


def test_targets_of_another_model_are_refused():
    rows = {name: np.ones((3, 4), np.float32) for name in ("gradients", "hidden")}
    for name in ("less", "rds"):
        for wrong in (np.ones((2, 5), np.float32), np.ones((0, 4), np.float32)):
            with pytest.raises(UserError, match="same model"):
                select(name, Pool(3, {}, rows, dict.fromkeys(rows, wrong)), 1)


def test_vectors_that_are_not_finite_are_refused():
    rows = np.ones((5, 2), np.float32)
    rows[3, 1] = np.nan
    for name in ("k_means", "k_center", "facility_location"):
        with pytest.raises(UserError, match="NaN"):
            select(name, Pool(5, {}, {"plain": rows}), 2)


def test_settings_that_mean_nothing_are_refused():
    for wrong in ({"distance": -0.1}, {"distance": float("nan")}, {"clusters": 0}):
        with pytest.raises(UserError, match=r"--distance|--clusters"):
            Settings(**wrong)
    with pytest.raises(UserError, match="no score 'similarty'"):
        select("k_means", pool_of(20), 5, 0, Settings(by="similarty"))


def test_rows_that_add_nothing_are_not_taken_from_the_beginning_of_the_file(monkeypatch):
    monkeypatch.setattr(facility_location, "_REFERENCES", 20)
    chosen = select("facility_location", pool_of(1000, width=3), 200)
    assert np.mean(chosen[40:]) > 400


def test_rds_lets_every_example_choose_in_turn():
    rows = np.array([[1, 0], [0.9, 0.1], [0.8, 0.2], [0, 1]], dtype=np.float32)
    pool = Pool(4, {}, {"hidden": rows}, {"hidden": np.array([[1, 0], [0, 1]], np.float32)})
    assert select("rds", pool, 3) == [0, 3, 1]


def test_rds_is_what_sorting_all_rows_for_each_example_gives():
    random = np.random.RandomState(5)
    # Few different numbers, so that many rows are equally near.
    rows, wanted = random.randint(0, 3, (60, 2)), random.randint(1, 3, (4, 2))
    pool = Pool(60, {}, {"hidden": rows.astype(np.float32)}, {"hidden": wanted.astype(np.float32)})
    queues = [
        list(np.argsort(-(pool.unit("hidden") @ one), kind="stable")) for one in pool.unit_targets("hidden")
    ]
    chosen: list[int] = []
    for number in range(60):
        chosen.append(next(place for place in queues[number % 4] if place not in chosen))
    for count in (1, 7, 60):
        assert select("rds", pool, count) == chosen[:count]


def test_d3_leaves_noise_and_duplicates_out():
    random = np.random.RandomState(3)
    good = random.randn(10, 5)
    features = np.concatenate([good, good[5:] + 1e-4, random.randn(5, 5)]).astype(np.float32)
    difficulty = np.array([0.0] + [0.5] * 14 + [1.0] * 5)
    dependability = np.array([0.9] * 15 + [0.0] * 5)
    pool = Pool(20, {"difficulty": difficulty, "rating": dependability}, {"plain": features})
    chosen = select("d3", pool, 9)
    assert not set(chosen) & set(range(15, 20))
    assert {place if place < 10 else place - 5 for place in chosen} == set(range(1, 10))


def test_a_linear_rule_is_found_from_runs_and_orders_rows():
    random = np.random.RandomState(0)
    runs = [{"length": float(a), "rating": float(b)} for a, b in random.randn(20, 2)]
    losses = [2.0 - 0.5 * run["rating"] + 0.1 * run["length"] for run in runs]
    weights = fit(runs, losses)
    assert weights == pytest.approx({"length": -0.1, "rating": 0.5})
    pool = Pool(3, {"length": np.array([1.0, 1.0, 9.0]), "rating": np.array([1.0, 2.0, 2.0])})
    assert select("linear_rule", pool, 3, 0, Settings(weights=weights)) == [1, 2, 0]
    with pytest.raises(ValueError, match="more runs"):
        fit(runs[:2], losses[:2])


def test_self_judge_learns_from_a_few_ratings():
    random = np.random.RandomState(1)
    features = random.randn(200, 5).astype(np.float32)
    pool = Pool(200, {}, {"plain": features})
    truth = pool.unit("plain") @ np.array([1.0, -1.0, 0.5, 0, 0])
    given_ratings = np.where(random.rand(200) < 0.3, truth, np.nan)
    judged = ratings(Pool(200, {"rating": given_ratings}, {"plain": features}), Settings())
    unrated = np.isnan(given_ratings)
    assert np.corrcoef(judged[unrated], truth[unrated])[0, 1] > 0.9
    with pytest.raises(UserError, match="only 3 rows"):
        ratings(Pool(3, {"rating": np.ones(3)}, {"plain": features[:3]}), Settings())


def test_ranks_treat_equal_values_alike():
    assert ranks(np.array([3.0, 1.0, 1.0, 9.0])).tolist() == pytest.approx([2 / 3, 1 / 6, 1 / 6, 1.0])
