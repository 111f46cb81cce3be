"""The runner: blind baseline, failures, flushing, answer files; with an engine that sees, and with a real one."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.asking import chunks, derange, plan_asks
from eval.runner import evaluate, run
from eval.tasks import TaskConfig, build_tasks


def rows(out):
    return [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from("abcdefgh"), max_size=20), st.integers(0, 5))
def test_no_image_stands_for_itself_in_the_blind_baseline(images, seed):
    other = derange(images, seed)
    distinct = set(images)
    if len(distinct) < 2:
        assert other == {}
    else:
        assert set(other) == set(other.values()) == distinct
        assert all(image != shown for image, shown in other.items())
    assert other == derange(images, seed)


def test_one_image_and_prompt_is_asked_once_for_all_tasks(world):
    tasks = build_tasks(world.configs.values())
    items = {name: task.load() for name, task in tasks.items()}
    asks = plan_asks(tasks, items, blind=True, seed=0)
    waiting = [w for group in asks.values() for w in group]
    assert len(waiting) == 2 * sum(len(each) for each in items.values())
    descriptions = [ask for ask in asks if ask.text.startswith("Describe")]
    assert len(descriptions) == 2 * world.images  # the blind description of an image is its own description
    order = [ask.image for ask in asks]
    assert order == sorted(order, key=order.index)  # questions about one image stand together


def test_chunks_do_not_divide_an_image(world):
    tasks = build_tasks(world.configs.values())
    asks = plan_asks(tasks, {name: task.load() for name, task in tasks.items()}, blind=True, seed=0)
    found = list(chunks(asks, 10))
    assert [ask for chunk in found for ask in chunk] == list(asks)
    assert len(found) > 2
    for before, after in pairwise(found):
        assert before[-1].image != after[0].image


def test_a_model_that_sees_scores_high_and_blind_low(world, seeing, tmp_path):
    results = evaluate(seeing, build_tasks(world.configs.values()), tmp_path / "out", resamples=200)
    pope, vqa = results["tasks"]["pope_random"], results["tasks"]["vqav2"]
    assert pope["metrics"]["f1"]["value"] == 1.0
    assert pope["metrics"]["f1"]["low"] < 1.0
    assert pope["blind"]["accuracy"]["value"] < 0.8
    assert vqa["metrics"]["accuracy"]["value"] == 1.0
    assert vqa["blind"]["accuracy"]["value"] < 0.6
    assert results["tasks"]["chair"]["metrics"]["chair_i"]["value"] == 0.0
    assert results["tasks"]["chair"]["blind"]["chair_i"]["value"] > 0.4
    assert results["tasks"]["captions"]["metrics"]["object_recall"]["value"] == 1.0
    assert vqa["by"]["question_type"]["which"]["metrics"]["accuracy"]["n"] == 6
    assert json.loads((tmp_path / "out/metrics.json").read_text()) == results


def test_each_image_is_opened_once_for_all_tasks_of_one_answer_length(world, seeing, tmp_path):
    configs = [replace(config, max_new_tokens=16) for config in world.configs.values()]
    evaluate(seeing, build_tasks(configs), tmp_path, resamples=10)
    assert len(seeing.opened) == len(set(seeing.opened)) == world.images


def test_every_answer_is_kept_with_its_truth(world, seeing, tmp_path):
    evaluate(seeing, build_tasks([world.configs["vqav2"]]), tmp_path, resamples=10)
    kept = rows(tmp_path)
    assert len(kept) == 24
    seen = next(row for row in kept if not row["blind"])
    assert seen["right"] and seen["prediction"].lower() == seen["truth"]
    assert seen["counts"]["accuracy"] == 1.0
    assert (tmp_path / "answers/vqav2.answers.json").exists()


def test_an_image_that_fails_fails_its_items_and_the_score_says_so(world, seeing, tmp_path, caplog):
    (world.root / "images" / world.file(3)).write_bytes(b"")
    (world.root / "images" / world.file(4)).unlink()
    results = evaluate(seeing, build_tasks([world.configs["pope"]]), tmp_path, resamples=10)
    pope = results["tasks"]["pope_random"]
    assert (pope["n"], pope["of"], pope["complete"], pope["failed"]) == (20, 24, False, 4)
    assert pope["metrics"]["accuracy"] | {"n": 20, "value": 1.0} == pope["metrics"]["accuracy"]
    assert "20 of 24" in caplog.text
    assert any("empty" in reason for reason in pope["failures"].values())
    assert (tmp_path / "answers/pope_random.answers.partial.jsonl").exists()
    assert sum("error" in row for row in rows(tmp_path)) == 8


def test_a_limit_is_a_score_over_fewer_items_and_says_so(world, seeing, tmp_path, caplog):
    task = build_tasks([replace(world.configs["pope"], limit=7)])
    pope = evaluate(seeing, task, tmp_path, resamples=10)["tasks"]["pope_random"]
    assert (pope["n"], pope["of"], pope["complete"], pope["limit"]) == (7, 24, False, 7)
    assert "7 of 24" in caplog.text


def test_without_a_second_image_there_is_no_blind_baseline(world, seeing, tmp_path):
    path = world.root / "coco_pope_random.json"
    path.write_text("".join(line + "\n" for line in path.read_text().splitlines()[:2]))
    pope = evaluate(seeing, build_tasks([world.configs["pope"]]), tmp_path, resamples=10)["tasks"][
        "pope_random"
    ]
    assert (pope["n"], pope["blind"]) == (2, {})


def test_blind_can_be_left_out(world, seeing, tmp_path):
    results = evaluate(seeing, build_tasks([world.configs["pope"]]), tmp_path, blind=False, resamples=10)
    assert results["tasks"]["pope_random"]["blind"] is None
    assert len(seeing.asked) == 24


def test_pope_splits_have_a_mean(world, seeing, tmp_path):
    other = world.root / "coco_pope_popular.json"
    other.write_text((world.root / "coco_pope_random.json").read_text())
    configs = [world.configs["pope"], replace(world.configs["pope"], annotations=str(other))]
    summary = evaluate(seeing, build_tasks(configs), tmp_path, resamples=50)["summary"]
    assert summary["pope_mean_f1"]["value"] == 1.0
    assert summary["pope_mean_f1"]["n"] == 48


def test_answers_so_far_are_on_disk_when_a_run_dies(world, seeing, tmp_path):
    generate, calls = seeing.generate, []

    def die_later(*args, **kwargs):
        if calls:
            raise KeyboardInterrupt
        calls.append(1)
        return generate(*args, **kwargs)

    seeing.generate = die_later
    (tmp_path / "metrics.json").write_text("{}")
    with pytest.raises(KeyboardInterrupt):
        evaluate(seeing, build_tasks([world.configs["pope"]]), tmp_path, batch_size=2, resamples=10)
    assert 8 <= len(rows(tmp_path)) < 48
    assert not (tmp_path / "metrics.json").exists()


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    from mmtune.decode.engine import Engine
    from mmtune.models.building import build
    from mmtune.models.config import LanguageConfig, ModelConfig, ProjectorConfig, VisionConfig
    from tests.tiny_models import tiny_clip, tiny_llama

    root = tmp_path_factory.mktemp("tiny")
    config = ModelConfig(
        vision=VisionConfig(name=str(tiny_clip(root / "clip"))),
        projector=ProjectorConfig(name="mlp"),
        language=LanguageConfig(name=str(tiny_llama(root / "llama"))),
    )
    return Engine(build(config, template="vicuna_v1", seed=0))


def test_a_real_engine_goes_through_every_task(engine, world, tmp_path):
    configs = [replace(config, max_new_tokens=3) for config in world.configs.values()]
    (world.root / "images" / world.file(5)).write_bytes(b"not an image")
    answers = []
    for batch_size in (3, 64):
        out = tmp_path / str(batch_size)
        results = evaluate(engine, build_tasks(configs), out, batch_size=batch_size, resamples=20)
        answers.append(sorted((r["task"], r["id"], r["blind"], r.get("prediction")) for r in rows(out)))
        assert results["tasks"]["pope_random"]["n"] == 22
        assert results["tasks"]["captions"]["n"] == 11
    assert answers[0] == answers[1]


def test_wrong_files_are_found_before_the_model_is_loaded(tmp_path):
    from mmtune.errors import UserError

    with pytest.raises(UserError, match="cannot be read"):
        run(tmp_path / "no-checkpoint", [TaskConfig("pope", str(tmp_path / "none.json"))], tmp_path)
