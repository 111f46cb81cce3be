from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtune.errors import UserError
from mmtune.train.recipe import load_recipe, parse_overrides, to_yaml
from mmtune.train.settings import OptimConfig, Recipe, StageConfig
from mmtune.train.settings_help import describe_settings

BASE = {
    "model": {"vision": {"name": "v"}, "language": {"name": "l"}},
    "data": {"train": [{"path": "a.json"}]},
    "optim": {"lr": "1e-3"},
}

READS_THE_LAST_LAYER = {
    **BASE,
    "model": {"vision": {"name": "v", "layer": -1}, "language": {"name": "l"}},
    "optim": {},
}


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(BASE).replace("'1e-3'", "1e-3"))
    return path


def test_numbers_as_people_write_them(recipe_file: Path) -> None:
    recipe = load_recipe(recipe_file, ["--optim.betas=[0.9, 0.95]", "--optim.eps", "1e-6"])
    assert (recipe.optim.lr, recipe.optim.betas, recipe.optim.eps) == (1e-3, (0.9, 0.95), 1e-6)


def test_base_is_changed_key_by_key(recipe_file: Path) -> None:
    child = recipe_file.parent / "sub" / "child.yaml"
    child.parent.mkdir()
    child.write_text("base: ../recipe.yaml\nstage: {learn: {language: full}}\nmodel: {vision: {layer: -1}}\n")
    recipe = load_recipe(child)
    assert recipe.model.vision is not None
    assert (recipe.model.vision.name, recipe.model.vision.layer) == ("v", -1)
    assert recipe.stage.learn == {"vision": "frozen", "projector": "frozen", "language": "full"}
    assert recipe.optim.lr == 1e-3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("model: {vision: {name: fused, towers: [{name: a}, {name: b}]}}", "set layer and final_norm there"),
        ("model: {vision: {image_size: 0}}", "an image size of 0 pixels is impossible"),
        ("model: {projector: {name: mlp, depth: 0}}", "a depth of 0 is impossible"),
        ("data: {train: [{path: a.json, weight: -1}]}", "weight"),
        ("data: {validation: [{path: a.json, weight: -1}]}", "weight"),
    ],
)
def test_what_a_part_refuses_at_its_making_is_told_alone(recipe_file: Path, change: str, said: str) -> None:
    child = recipe_file.parent / "child.yaml"
    recipe_file.write_text(yaml.safe_dump(READS_THE_LAST_LAYER))
    child.write_text(f"base: recipe.yaml\n{change}\n")
    with pytest.raises(UserError, match=said) as caught:
        load_recipe(child)
    assert "\n" not in str(caught.value) and "Union" not in str(caught.value)


def test_a_key_of_a_base_is_set_back_to_its_default(recipe_file: Path) -> None:
    recipe_file.write_text(yaml.safe_dump(READS_THE_LAST_LAYER))
    child = recipe_file.parent / "child.yaml"
    towers = "[{name: a}, {name: b, layer: -1}]"
    child.write_text(f"base: recipe.yaml\nmodel: {{vision: {{name: fused, layer: -2, towers: {towers}}}}}\n")
    recipe = load_recipe(child)
    assert recipe.model.vision is not None and recipe.model.vision.towers is not None
    assert [tower.layer for tower in recipe.model.vision.towers] == [-2, -1]


def test_lists_go_by_number(recipe_file: Path) -> None:
    recipe = load_recipe(recipe_file, ["--data.train.0.weight=2", "--data.train.1.path=b.json"])
    assert [(source.path, source.weight) for source in recipe.data.train] == [
        ("a.json", 2.0),
        ("b.json", 1.0),
    ]


def test_a_written_recipe_reads_back_equal(recipe_file: Path) -> None:
    recipe = load_recipe(recipe_file, ["--optim.clip=null", "--stage.lr.projector=1e-4"])
    again = recipe_file.parent / "again.yaml"
    again.write_text(to_yaml(recipe))
    assert load_recipe(again) == recipe


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("--optim.lrr=1", ["optim.lrr", "did you mean optim.lr"]),
        ("--optm.lr=1", ["optm", "did you mean optim"]),
        ("--batch_records=1", ["batch_records", "did you mean optim.batch_records"]),
        ("--data.train.0.pth=x", ["data.train.0.pth", "did you mean data.train.0.path"]),
        ("--model.vision.nmae=x", ["model.vision.nmae", "model.vision.name"]),
        ("--optim.lr=fast", ["optim.lr", "must be float", "fast"]),
        ("--optim.steps=1.5", ["optim.steps", "int or null", "1.5"]),
        ("--engine.name=dpp", ["engine.name", "ddp", "got dpp"]),
        ("--engine=ddp", ["engine", "must be a mapping"]),
        ("--stage.learn.vision=half", ["stage.learn", "frozen, full", "half"]),
        ("--stage.learn.tower=full", ["stage.learn.tower", "vision, projector, language"]),
        ("--stage.lr.vision=1e-3", ["stage.lr.vision", "freezes"]),
        ("--stage.learn.projector=frozen", ["stage.learn", "nothing would learn"]),
        ("--optim.batch_records=0", ["optim.batch_records", "at least 1"]),
        ("--model.vision.name=null", ["model.vision.name", "no value"]),
        ("--data.train.7.path=x", ["data.train.7.path", "1 items"]),
        ("--out=${SURELY_NOT_SET}/x", ["SURELY_NOT_SET", "export"]),
        ("--engine.offload=all", ["engine.offload", "zero"]),
    ],
)
def test_mistakes_name_the_key_and_what_would_do(recipe_file: Path, override: str, parts: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        load_recipe(recipe_file, [override])
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("model: [", ["not valid YAML", "line 2"]),
        ("- 1", ["not a YAML mapping"]),
        ("base: recipe.yaml", ["its own base"]),
        ("base: none.yaml", ["no recipe", "none.yaml"]),
        ("data: {}", ["no vision part"]),
        ("model: {vision: {layer: -1}, language: {name: l}}", ["lacks", "name"]),
    ],
)
def test_bad_files(tmp_path: Path, text: str, parts: list[str]) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text + "\n")
    with pytest.raises(UserError) as caught:
        load_recipe(path)
    for part in parts:
        assert part in str(caught.value)


def test_environment_variables(recipe_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMEWHERE", "/data")
    recipe = load_recipe(
        recipe_file, ["--data.train.0.path=$SOMEWHERE/a.json", "--out=${NOT_SET_HERE:-runs}/x"]
    )
    assert (recipe.data.train[0].path, recipe.out) == ("/data/a.json", "runs/x")


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.from_regex(r"[a-z]{1,8}(\.[a-z0-9]{1,5}){0,3}", fullmatch=True), st.integers() | st.booleans())
def test_both_spellings_of_an_override_are_one(key: str, value: object) -> None:
    text = str(value).lower()
    assert parse_overrides([f"--{key}={text}"]) == parse_overrides([f"--{key}", text]) == [(key, value)]


@pytest.mark.parametrize("words", [["--optim.lr"], ["--optim.lr", "--out=x"], ["optim.lr"]])
def test_an_override_needs_a_value(words: list[str]) -> None:
    with pytest.raises(UserError):
        parse_overrides(words)


def test_every_setting_says_what_it_means() -> None:
    text = describe_settings()
    for key in ("optim.lr", "data.train.0.path", "model.vision.name", "checkpoint.resume", "engine.name"):
        assert any(line.startswith(f"{key} ") for line in text.splitlines())
    meanings = [line.split(None, 1)[1] for line in text.splitlines() if not line.startswith(" ")]
    assert not [meaning for meaning in meanings if meaning.startswith("[")]


def test_defaults_are_checked_values() -> None:
    assert StageConfig().learn["projector"] == "full"
    assert OptimConfig().batch_records == 128
    assert Recipe.__doc__
