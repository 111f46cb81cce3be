"""The quickstart's recipes are found from anywhere and write where the job says."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmtune import quickstart
from mmtune.assets import shipped
from mmtune.errors import UserError
from mmtune.quickstart.recipes import stage_recipe
from mmtune.quickstart.scales import SCALES


def paths_of(recipe) -> list[str]:
    sources = [*recipe.data.train, *recipe.data.validation]
    return [path for source in sources for path in (source.path, source.image_root) if path]


@pytest.mark.parametrize("stage", ["align", "tune"])
@pytest.mark.parametrize("scale", list(SCALES))
def test_recipe_belongs_to_the_job(stage, scale, user_folder):
    out = user_folder / "elsewhere"
    overrides = (
        (*SCALES[scale].overrides, f"--model.checkpoint={out / 'x'}")
        if stage == "tune"
        else SCALES[scale].overrides
    )
    recipe = stage_recipe(stage, out, 7, overrides)
    assert recipe.out == str(out / stage)
    assert recipe.seed == 7
    assert all(Path(path).is_relative_to(out / "data") for path in paths_of(recipe))


def test_align_starts_from_the_shipped_backbones(user_folder):
    model = stage_recipe("align", user_folder, 0, ()).model
    assert Path(model.vision.name.removeprefix("open_clip:")).is_dir()
    assert Path(model.language.name).is_dir()


def test_tune_starts_from_align(user_folder):
    recipe = stage_recipe("tune", user_folder, 0, ("--model.checkpoint=/a/b",))
    assert recipe.model.checkpoint == "/a/b"


def test_what_does_not_ship_is_named():
    assert shipped("recipes").is_dir()
    with pytest.raises(UserError, match=r"recipes/nothing\.yaml"):
        shipped("recipes/nothing.yaml")


def test_another_job_does_not_replace_the_one_that_is_there(tmp_path):
    claim = quickstart._claim
    claim(tmp_path / "job", "full", 0)
    claim(tmp_path / "job", "full", 0)
    for scale, seed in (("smoke", 0), ("full", 1)):
        with pytest.raises(UserError, match=r"scale full and seed 0.*--out"):
            claim(tmp_path / "job", scale, seed)
