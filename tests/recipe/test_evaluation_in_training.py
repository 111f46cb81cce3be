"""Benchmarks in mid-run: their scores are told, and training does not notice them."""

from __future__ import annotations

import json
import os
import random
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from eval.in_training import TrainingBenchmarks, open_benchmarks
from eval.report.runs import view_run
from eval.runner import run as evaluate
from eval.tasks import parse_task
from mmtune.errors import UserError
from mmtune.train import objectives
from mmtune.train.dry_run import dry_run
from mmtune.train.loop import train
from mmtune.train.recipe import load_recipe
from mmtune.train.settings import EvalConfig, Recipe
from tests import benchmark_files
from tests.commands import run as command
from tests.tiny_run import losses, write_pope


@pytest.fixture
def task(tiny_project: Path) -> str:
    """Two questions about each image of the tiny project."""
    return write_pope(tiny_project, tiny_project)


@pytest.fixture
def random_recipe(recipe: Recipe) -> Recipe:
    """One whose losses depend on the random generators: its adapter drops a tenth of what it sees."""
    stage = replace(
        recipe.stage,
        learn={"projector": "full", "language": "lora"},
        adapters={"language": {"rank": 2, "dropout": 0.1}},
        lr={},
    )
    return replace(recipe, stage=stage)


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def points_of(out: Path) -> list[dict[str, Any]]:
    """The rows of benchmarks, without those of groupings."""
    return [row for row in rows(out / "evals.jsonl") if "of" in row]


def test_losses_are_the_same_to_the_last_bit(random_recipe: Recipe, task: str, tmp_path: Path) -> None:
    plain = replace(random_recipe, out=str(tmp_path / "plain"))
    asked = replace(
        random_recipe,
        out=str(tmp_path / "asked"),
        eval=EvalConfig([task], every=1, blind=True),
        tensorboard=True,
    )
    other = replace(plain, out=str(tmp_path / "other"), seed=1)
    for recipe in (plain, asked, other):
        train(recipe, open_benchmarks)
    assert losses(tmp_path / "asked") == losses(tmp_path / "plain") != losses(tmp_path / "other")
    # Not only the losses: weights, optimiser and random generators at the end, too.
    for name in ("projector/model.safetensors", "state/rng-00000.safetensors"):
        found, expected = (tmp_path / out / "checkpoints/step-000004" / name for out in ("asked", "plain"))
        assert found.read_bytes() == expected.read_bytes()


def test_scores_are_told_beside_the_losses_and_are_the_checkpoints(
    recipe: Recipe, task: str, tmp_path: Path
) -> None:
    recipe = replace(recipe, eval=EvalConfig([task], every=2, limit=9), tensorboard=True)
    result = train(recipe, open_benchmarks)
    out = Path(recipe.out)
    points = points_of(out)
    assert [(row["step"], row["task"], row["n"], row["of"]) for row in points] == [
        (step, "pope_random", 9, 32) for step in (0, 2, 4)
    ]
    scalars = [row for row in rows(out / "scalars.jsonl") if "eval/seconds" in row]
    assert [row["step"] for row in scalars] == [0, 2, 4]
    assert [row.get("eval/pope_random/accuracy") for row in scalars] == [
        row["metrics"]["accuracy"] for row in points
    ]
    assert (
        "pope_random f1" in (out / "log.txt").read_text()
        and "over 9 of 32 items" in (out / "log.txt").read_text()
    )
    assert b"eval/pope_random/accuracy" in b"".join(
        path.read_bytes() for path in (out / "tensorboard").glob("events*")
    )
    again = evaluate(result.checkpoint, [replace(parse_task(task), limit=9)], tmp_path / "eval", blind=False)
    assert again is not None
    assert again["tasks"]["pope_random"]["metrics"]["accuracy"]["value"] == points[-1]["metrics"]["accuracy"]
    name = "predictions.jsonl"
    assert (out / "eval" / "step-000004" / name).read_text() == (tmp_path / "eval" / name).read_text()


def test_the_report_draws_them_beside_the_loss(tmp_path: Path) -> None:
    """The run's part of a report: a chart of all items and of each kind, over n of N."""
    points = [
        {
            "step": step,
            "task": "vqav2",
            "primary": "accuracy",
            "n": 20,
            "of": 100,
            "answered_by": {"generate": 20},
            "metrics": {"accuracy": value},
            "by": {"answer_type": {"number": value, "other": None if step else 0.5}},
        }
        for step, value in ((0, 0.125), (10, 0.25), (20, 0.75))
    ]
    (tmp_path / "evals.jsonl").write_text("".join(json.dumps(row) + "\n" for row in points))
    (tmp_path / "scalars.jsonl").write_text('{"step": 1, "loss": 2.5}\n')
    (curve,) = view_run("tune", tmp_path).benchmarks
    assert curve.last == "0.750" and "over 20 of 100 items" in curve.note
    assert "undefined" not in curve.note and "thin lines" in curve.note
    with (tmp_path / "evals.jsonl").open("a") as file:
        file.write(json.dumps({**points[-1], "step": 30, "metrics": {"accuracy": None}}) + "\n")
    (cut,) = view_run("tune", tmp_path).benchmarks
    assert cut.last == "undefined" and "undefined at 1 of 4 evaluations" in cut.note
    for told in ("0.125", "0.75", "all items", "number", "other"):
        assert told in curve.chart


def test_a_run_that_goes_on_tells_each_score_once(
    recipe: Recipe, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(recipe, eval=EvalConfig([task], every=1, limit=4))
    sft, left = objectives.OBJECTIVES["sft"], iter(range(6))

    def killed(model: Any, batch: Any) -> Any:
        if next(left, None) is None:
            raise RuntimeError("killed")
        return sft(model, batch)

    monkeypatch.setitem(objectives.OBJECTIVES, "sft", killed)
    with pytest.raises(RuntimeError, match="killed"):
        train(replace(recipe, checkpoint=replace(recipe.checkpoint, every=2)), open_benchmarks)
    monkeypatch.setitem(objectives.OBJECTIVES, "sft", sft)
    # What is asked may change between a run's parts.
    train(replace(recipe, eval=EvalConfig([task], every=1, limit=6)), open_benchmarks)
    points = points_of(Path(recipe.out))
    assert [(row["step"], row["n"]) for row in points] == [(0, 4), (1, 4), (2, 4), (3, 6), (4, 6)]


def test_images_in_a_benchmarks_table_are_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    files = benchmark_files.write("mmbench", tmp_path)
    found = open_benchmarks([f"mmbench:annotations={files.annotations}"])
    images = {item.image for item in found.chosen["mmbench"]}
    assert images and all((found.tasks["mmbench"].images / image).is_file() for image in images)


def test_a_file_of_another_shape_than_the_benchmarks_is_one_sentence(tmp_path: Path) -> None:
    files = benchmark_files.write("docvqa", tmp_path)
    benchmark_files.dump(files.annotations, {"data": [{"questionId": 1, "question": 5, "answers": ["a"]}]})
    with pytest.raises(UserError, match="question of item 1 is not text"):
        open_benchmarks([f"docvqa:annotations={files.annotations}"])


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("pope:annotations={folder}/nothing.json", "nothing.json"),
        ("pop:annotations={folder}/pope_random.json", "unknown task"),
        ("pope:annotations={folder}/pope_random.json,images={folder}/clip", "None of the first"),
        ("pope:annotations={folder}/records.json,images={folder}", "records.json"),
        ("mmvet:annotations={folder}/records.json", "judge"),
    ],
)
def test_a_broken_task_is_told_before_anything_is_trained(
    broken: str, message: str, recipe: Recipe, task: str, tiny_project: Path
) -> None:
    broken = broken.format(folder=tiny_project)
    recipe = replace(recipe, eval=EvalConfig([broken]))
    with pytest.raises(UserError, match=message):
        train(recipe, open_benchmarks)
    assert not (Path(recipe.out) / "checkpoints").exists()
    problems: list[UserError] = []
    text = dry_run(recipe, problems, open_benchmarks)
    assert message in str(problems[0]) and "problem: " in text


def test_a_dry_run_tells_what_will_be_asked(tiny_project: Path, task: str, tmp_path: Path) -> None:
    words = ["train", str(tiny_project / "recipe.yaml"), "--dry-run", "--eval.tasks", json.dumps([task])]
    assert "eval: pope_random: 32 of 32 items" in command(words, tmp_path)


def test_a_run_that_is_asked_to_stop_does_not_wait_for_the_last_question(
    recipe: Recipe, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(recipe, eval=EvalConfig([task], every=2, limit=8))
    ask, asked = TrainingBenchmarks.ask, []

    def slow(self: TrainingBenchmarks, bundle: Any, rank: int, world: int) -> Any:
        for answer in ask(self, bundle, rank, world):
            asked.append(answer)
            if len(asked) == 8 + 3:  # the third question after step 2
                os.kill(os.getpid(), signal.SIGTERM)
            yield answer

    monkeypatch.setattr(TrainingBenchmarks, "ask", slow)
    result = train(recipe, open_benchmarks)
    assert (result.step, result.interrupted, len(asked)) == (2, True, 8 + 3)
    assert train(recipe, open_benchmarks).step == 4
    assert [row["step"] for row in points_of(Path(recipe.out))] == [0, 4]


def test_mmtune_eval_finds_the_training_data_by_itself(recipe: Recipe, task: str, tmp_path: Path) -> None:
    """The tiny benchmark is made of the images that the tiny records are about."""
    checkpoint = str(train(replace(recipe, optim=replace(recipe.optim, steps=1))).checkpoint)
    words = ["eval", checkpoint, "--task", task, "--no-blind", "--limit", "6"]
    told = command([*words, "--out", str(tmp_path / "eval")], tmp_path)
    assert "pope_random: of 6 items training has seen the image of 6, the question of 0" in told
    assert "f1 undefined over the 0 clean ones" in told
    page = (tmp_path / "eval" / "report.html").read_text()
    assert "Seen in training" in page and "Loss curves of out" in page
    assert len(rows(tmp_path / "eval" / "overlap.jsonl")) == 6
    words += ["--train-data", "none", "--out", str(tmp_path / "again")]
    assert "training has seen" not in command(words, tmp_path)


def test_a_program_without_evaluation_says_so(recipe: Recipe, task: str) -> None:
    with pytest.raises(UserError, match="trains without them"):
        train(replace(recipe, eval=EvalConfig([task])))


def test_a_failure_ends_the_run_at_its_start_and_not_later(
    recipe: Recipe, task: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing:
        def __init__(self, first: int) -> None:
            self.first = first

        def describe(self) -> list[str]:
            return []

        def ask(self, bundle: Any, rank: int, world: int) -> Any:
            yield random.random(), np.random.rand(), torch.rand(1)

        def score(self, found: Any, folder: Path, step: int, seconds: float) -> list[dict[str, Any]]:
            if step >= self.first:
                raise ZeroDivisionError("what a metric should not do")
            return []

    recipe = replace(recipe, eval=EvalConfig([task], every=2))
    with pytest.raises(RuntimeError, match="what a metric should not do"):
        train(recipe, lambda *args, **settings: Failing(0))
    assert train(recipe, lambda *args, **settings: Failing(2)).step == 4
    assert "The run goes on without the scores of step 2" in caplog.text


@pytest.mark.parametrize("setting", ["every", "limit", "batch_size"])
def test_settings_out_of_range(setting: str) -> None:
    with pytest.raises(UserError, match=rf"eval\.{setting}"):
        EvalConfig(**{setting: 0})  # type: ignore[arg-type]


def test_recipes_name_tasks(tiny_project: Path) -> None:
    recipe = load_recipe(tiny_project / "recipe.yaml", ["--eval.tasks", "[pope:limit=3]", "--eval.every=7"])
    assert (recipe.eval.tasks, recipe.eval.every) == (["pope:limit=3"], 7)
