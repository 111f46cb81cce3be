from __future__ import annotations

import json
import re
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mmtune.cli import main
from mmtune.errors import UserError
from mmtune.models.projectors import PROJECTORS
from mmtune.train.dry_run import dry_run
from mmtune.train.memory import Shape, activations_gb, weights_gb
from mmtune.train.recipe import load_recipe
from mmtune.train.settings import EngineConfig, Recipe
from tests.tiny_run import write_recipe

SEVEN_B = Shape(6_738_415_616, 0, 202_383_360, 32, 4096, 32_000, 4096)


def row(text: str, part: str) -> list[str]:
    return next(line for line in text.splitlines() if line.startswith(part)).split()


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder without data and without models."""
    monkeypatch.setenv("DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_llava_align_without_weights(root: Path, nowhere: Path) -> None:
    start = time.monotonic()
    text = dry_run(load_recipe(root / "recipes/llava15/7b-align.yaml"))
    assert time.monotonic() - start < 60
    assert row(text, "vision") == ["vision", "303,507,456", "0", "frozen", "-"]
    assert row(text, "projector") == ["projector", "20,979,712", "20,979,712", "full", "0.001"]
    assert row(text, "language") == ["language", "6,738,415,616", "0", "frozen", "-"]
    assert "the tokenizer of lmsys/vicuna-7b-v1.5 is missing here" in text
    assert "blip_laion_cc_sbu_558k.json or its image root is not on this machine" in text
    assert "template: plain" in text
    with pytest.raises(UserError, match="did you mean 'plain'"):
        dry_run(load_recipe(root / "recipes/llava15/7b-align.yaml", ["--template=plane"]))


def test_every_projector_is_listed_with_its_parameters_and_tokens(root: Path, nowhere: Path) -> None:
    changes = ["--model.projector.name=qformer", "--model.projector.settings.queries=48"]
    text = dry_run(load_recipe(root / "recipes/llava15/7b-align.yaml", changes))
    lines = {
        line.split()[0]: line for line in text.splitlines() if " parameters" in line and " tokens" in line
    }
    assert set(lines) == set(PROJECTORS)
    told = {
        name: [int(word) for word in re.findall(r"[\d]+", line.replace(",", ""))]
        for name, line in lines.items()
    }
    assert (told["linear"], told["mlp"]) == ([4_198_400, 576], [20_979_712, 576])
    assert told["keep_and_merge"] == [20_979_712, 96]
    assert [told[name][-1] for name in ("pool", "c_abstractor", "resampler", "qformer")] == [144, 144, 64, 48]
    assert "<- this recipe" in lines["qformer"] and "reads the instruction" in lines["instruct_qformer"]
    assert row(text, "projector")[1].replace(",", "") == str(told["qformer"][0])


def test_a_projector_that_does_not_fit_the_features_is_refused_before_anything_is_loaded(
    root: Path, nowhere: Path
) -> None:
    changes = ["--model.projector.name=pool", "--model.vision.select=cls_patch"]
    with pytest.raises(UserError, match="pool needs a grid of patches"):
        dry_run(load_recipe(root / "recipes/llava15/7b-align.yaml", changes))


def test_llava_tune_before_align(root: Path, nowhere: Path) -> None:
    text = dry_run(load_recipe(root / "recipes/llava15/7b-tune.yaml"))
    assert row(text, "language") == ["language", "6,738,415,616", "6,738,415,616", "full", "2e-05"]
    assert row(text, "projector")[-1] == "2e-05"
    assert "is not there yet" in text
    assert "8 x zero3" in text


def test_llava_settings_are_the_published_ones(root: Path, nowhere: Path) -> None:
    align = load_recipe(root / "recipes/llava15/7b-align.yaml")
    tune = load_recipe(root / "recipes/llava15/7b-tune.yaml")
    assert (align.template, tune.template) == ("plain", "vicuna_v1")
    assert (align.model.image_policy, tune.model.image_policy) == ("square", "pad")
    assert (align.optim.lr, tune.optim.lr) == (1e-3, 2e-5)
    assert (align.optim.batch_records, tune.optim.batch_records) == (256, 128)
    assert (align.engine.name, tune.engine.name) == ("zero2", "zero3")
    assert align.stage.learn == {"vision": "frozen", "projector": "full", "language": "frozen"}
    assert tune.stage.learn == {"vision": "frozen", "projector": "full", "language": "full"}
    for recipe in (align, tune):
        assert recipe.model.vision is not None
        assert (recipe.model.vision.layer, recipe.model.vision.select) == (-2, "patch")
        assert (recipe.optim.epochs, recipe.optim.weight_decay, recipe.optim.clip) == (1, 0, 1.0)
        assert (recipe.optim.schedule, recipe.optim.warmup_ratio) == ("cosine", 0.03)
        assert (recipe.data.max_tokens, recipe.engine.precision) == (2048, "bf16")
        assert recipe.engine.gradient_checkpointing


def test_what_is_there_is_checked(recipe: Recipe) -> None:
    text = dry_run(recipe)
    assert "24 records an epoch" in text
    assert "4 steps of 6" in text
    assert "of the first 24 records 24 can be used" in text
    assert "missing" not in text
    assert not Path(recipe.out).exists()


def test_a_bad_record_is_told(recipe: Recipe, tmp_path: Path) -> None:
    path = tmp_path / "records.json"
    path.write_text(
        '[{"id": "a", "image": "none.png", "conversations": [{"from": "human", "value": "<image>"},'
    )
    bad = replace(recipe, data=replace(recipe.data, train=[replace(recipe.data.train[0], path=str(path))]))
    with pytest.raises(UserError, match="line 1"):
        dry_run(bad)
    path.write_text(
        '[{"id": "a", "image": "none.png", "conversations":'
        ' [{"from": "human", "value": "<image> x"}, {"from": "gpt", "value": "y"}]}]'
    )
    problems: list[UserError] = []
    text = dry_run(bad, problems)
    assert "0 can be used; refused" in text and "memory of each GPU" in text
    assert "none of the first 1 training records can be used" in str(problems[0]) and str(problems[0]) in text


@pytest.mark.parametrize(("budget", "stops"), [(0.2, True), (0.25, False)])
def test_more_refusals_than_the_budget_end_a_dry_run_with_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], budget: float, stops: bool
) -> None:
    path = write_recipe(tmp_path, data__quarantine_budget=budget)
    source = load_recipe(path).data.train[0]
    records = json.loads(Path(source.path).read_text())
    for record in records[: len(records) // 4]:
        record["image"] = "none.png"
    Path(source.path).write_text(json.dumps(records))
    assert main(["train", str(path), "--dry-run"]) == (2 if stops else 0)
    text = capsys.readouterr().out
    assert "of the first 24 records 18 can be used" in text and "memory of each GPU" in text
    told = "problem: training would stop: 6 of 24 training records are refused, as it looks, over the budget"
    assert (told in text) == stops


def test_a_tokenizer_that_does_not_fit_the_embeddings_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    assert recipe.model.language is not None
    folder = shutil.copytree(recipe.model.language.name, tmp_path / "lm")
    config = json.loads((folder / "config.json").read_text())
    rows = config["vocab_size"] // 2
    (folder / "config.json").write_text(json.dumps(config | {"vocab_size": rows}))
    language = replace(recipe.model.language, name=str(folder))
    with pytest.raises(UserError, match=f"the language model only {rows} embeddings"):
        dry_run(replace(recipe, model=replace(recipe.model, language=language)))


def test_unknown_names_are_errors(recipe: Recipe) -> None:
    with pytest.raises(UserError, match="vicuna_v1"):
        dry_run(replace(recipe, template="vicuna_v11"))
    with pytest.raises(UserError, match="sft"):
        dry_run(replace(recipe, objective="sfft"))
    gone = replace(recipe.model, checkpoint="/no/such/run", vision=None)
    with pytest.raises(UserError, match="checkpoint that is not there"):
        dry_run(replace(recipe, model=gone))


def test_memory_is_what_arithmetic_says() -> None:
    """Bytes a parameter: bf16 weight and gradient 2 + 2 (ZeRO-3: 2 + 4), float32 master and two moments 12."""
    bf16 = EngineConfig(name="zero3", precision="bf16")
    billions = SEVEN_B.trainable / 1e9
    live = 3 * SEVEN_B.largest_layer * 2 / 1e9
    assert weights_gb(SEVEN_B, bf16, "zero3", 8) == pytest.approx(18 * billions / 8 + live)
    assert weights_gb(SEVEN_B, bf16, "zero2", 8) == pytest.approx(2 * billions + 14 * billions / 8)
    assert weights_gb(SEVEN_B, bf16, "zero1", 8) == pytest.approx(4 * billions + 12 * billions / 8)
    fp32 = EngineConfig(name="single", precision="fp32")
    assert weights_gb(SEVEN_B, fp32, "single", 1) == pytest.approx(16 * billions)
    offloaded = EngineConfig(name="zero3", precision="bf16", offload="all")
    assert weights_gb(SEVEN_B, offloaded, "zero3", 8) < weights_gb(SEVEN_B, bf16, "zero3", 8) / 3
    checkpointed = replace(bf16, gradient_checkpointing=True)
    assert activations_gb(SEVEN_B, checkpointed) < activations_gb(SEVEN_B, bf16) / 4
