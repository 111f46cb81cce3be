"""Items that count together: rotations, pairs, figures. A group of which a part is left out does not count."""

from __future__ import annotations

from dataclasses import replace

import pytest

from eval.runner import limited
from eval.score_file import score_file
from eval.scoring import Sampling
from eval.tasks import TaskConfig, build_tasks
from tests import benchmark_files


def written(name, folder):
    return benchmark_files.write(name, folder).annotations


def mmbench(folder):
    return TaskConfig("mmbench", str(written("mmbench", folder)))


def score(config, answers, folder, **settings):
    path = benchmark_files.dump(folder / "some.json", [{"id": k, "text": v} for k, v in answers.items()])
    return score_file(config, path, sampling=Sampling(resamples=20), **settings)["metrics"]


@pytest.mark.parametrize(("name", "metric"), [("mmbench", "circular"), ("mme", "accuracy_plus")])
def test_a_group_without_one_of_its_items_is_left_out(name, metric, tmp_path):
    config = TaskConfig(name, str(written(name, tmp_path / name)))
    (task,) = build_tasks([config]).values()
    items = task.load()
    groups = {}
    for item in items:
        groups.setdefault(task.together(item), []).append(item)
    whole = [group for group in groups.values() if len(group) > 1]
    assert whole, "the files have groups"
    # One is answered wrongly, and it is left out: what is left of its group is right.
    answers = {item.id: getattr(item.truth, "letter", item.truth) for item in items}
    del answers[whole[0][-1].id]
    skipped = score(config, answers, tmp_path, missing="skip")[metric]
    wrong = score(config, answers, tmp_path, missing="wrong")[metric]
    assert (skipped["value"], skipped["n"]) == (1.0, len(groups) - 1)
    assert wrong["n"] == len(groups) and wrong["value"] == pytest.approx(1 - 1 / len(groups))


@pytest.mark.parametrize("name", ["mmbench", "mme"])
def test_a_limit_draws_whole_groups(name, tmp_path):
    config = TaskConfig(name, str(written(name, tmp_path)))
    for limit in (1, 5, 9, 1000):
        (task,) = build_tasks([replace(config, limit=limit)]).values()
        items = task.load()
        drawn = limited(task, items, seed=1)
        assert drawn == [item for item in items if item in drawn], "in the order of the file"
        assert 0 < len(drawn) <= limit
        if limit > 4:
            kept = {task.together(item) for item in drawn}
            assert drawn == [item for item in items if task.together(item) in kept]
