"""What was curated is trained on: shards as their file, and a reward head out of a model and preferences."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from data_builders.engines import get_engine
from data_builders.shards import ShardSettings, build_shards
from mmtune.train.loop import train
from mmtune.train.recipe import load_recipe
from tests.commands import run
from tests.recipe.test_resume import struck
from tests.tiny_checkpoint import tiny_checkpoint
from tests.tiny_run import losses, write_recipe

STEPS = 6


@pytest.fixture(scope="module")
def recipe_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    return write_recipe(folder, optim__steps=STEPS, checkpoint__every=2, data__validation_fraction=0.2)


def test_training_on_shards_is_training_on_their_file_also_after_a_kill(
    recipe_file: Path, tmp_path: Path
) -> None:
    folder = recipe_file.parent
    shards = tmp_path / "shards"
    build_shards(folder / "records.json", shards, ShardSettings(folder, records=7), get_engine("local"))
    train(load_recipe(recipe_file, [f"--out={tmp_path / 'plain'}"]))
    on_shards = recipe_file.with_name("on_shards.yaml")
    on_shards.write_text(recipe_file.read_text().replace(str(folder / "records.json"), str(shards)))
    killed = struck(on_shards, tmp_path / "packed", signal.SIGKILL, step=3, delay_ms=5)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    train(load_recipe(on_shards, [f"--out={tmp_path / 'packed'}"]))
    assert losses(tmp_path / "packed") == losses(tmp_path / "plain")
    assert len(losses(tmp_path / "plain")) == STEPS


def test_a_head_is_learned_from_preferences_and_scores_rows(recipe_file: Path, tmp_path: Path) -> None:
    checkpoint, folder = tiny_checkpoint(tmp_path / "model"), recipe_file.parent
    rows = json.loads((folder / "records.json").read_text())
    with (folder / "pairs.jsonl").open("w") as out:
        for row in rows:
            worse = [dict(turn) for turn in row["conversations"]]
            worse[-1]["value"] = "z q z q " + worse[-1]["value"]
            out.write(json.dumps({**row, "rejected_conversations": worse}) + "\n")
        out.write(json.dumps({**rows[1], "image": "gone.png", "rejected_conversations": worse}) + "\n")
    head = tmp_path / "head.safetensors"
    told = run(["data", "reward", "pairs.jsonl", "--model", str(checkpoint), "--out", str(head)], folder)
    assert "row 24, record 'r1'" in told
    assert "24 pairs; 100.0% of pairs that were held out" in told
    words = ["data", "score", "records.json", "--model", str(checkpoint), "--head", str(head)]
    told = run([*words, "--score", "difficulty", "--out", str(tmp_path / "scores")], folder)
    assert "24 records; difficulty, reward" in told
    scores = [json.loads(line) for line in (tmp_path / "scores/scores.jsonl").read_text().splitlines()]
    assert len({row["reward"] for row in scores}) > 10
