"""Parts that a checkpoint only refers to: found again, moved, changed or lost."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from mmtune.errors import UserError
from mmtune.models import checkpoint
from mmtune.models.building import build
from mmtune.models.config import LanguageConfig, ModelConfig, ProjectorConfig, VisionConfig
from tests.unit.models.checkpoint.models import frozen, logits
from tests.unit.models.rows import TOWERS


@pytest.mark.parametrize("tower", TOWERS)
def test_frozen_parts_may_be_left_out(backbones, tmp_path, tower):
    old = frozen(backbones, tower)
    folder = checkpoint.save(tmp_path / "small", old, include={"projector"})
    assert [p.parent.name for p in folder.rglob("*.safetensors")] == ["projector"]
    assert torch.equal(logits(checkpoint.load(folder)), logits(old))


def test_a_trained_part_cannot_be_left_out(bundle, tmp_path):
    with pytest.raises(UserError, match="the language part was trained"):
        checkpoint.save(tmp_path / "small", bundle, include={"projector", "vision"})
    with pytest.raises(UserError, match="no part 'tower'"):
        checkpoint.save(tmp_path / "small", bundle, include={"tower"})


def test_changed_or_lost_backbones_are_noticed(backbones, tmp_path):
    own = dict(backbones, clip=str(shutil.copytree(backbones["clip"], tmp_path / "clip")))
    folder = checkpoint.save(tmp_path / "small", frozen(own), include={"projector"})
    shutil.move(tmp_path / "clip", tmp_path / "moved")
    with pytest.raises(UserError, match="no such model folder"):
        checkpoint.load(folder)
    checkpoint.load(folder, references={"vision": str(tmp_path / "moved")})
    weights = tmp_path / "moved" / "model.safetensors"
    save_file({n: t + 1 for n, t in load_file(weights).items()}, weights, metadata={"format": "pt"})
    with pytest.raises(UserError, match="not the ones that the checkpoint was trained with"):
        checkpoint.load(folder, references={"vision": str(tmp_path / "moved")})


def test_a_tower_that_takes_other_views_than_it_was_trained_on_is_noticed(backbones, tmp_path):
    own = dict(backbones, clip=str(shutil.copytree(backbones["clip"], tmp_path / "clip")))
    folder = checkpoint.save(tmp_path / "small", frozen(own), include={"projector"})
    file = tmp_path / "clip" / "preprocessor_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"image_mean": [0.5, 0.5, 0.5]}))
    with pytest.raises(UserError, match="the vision tower now takes views as"):
        checkpoint.load(folder)


def test_the_new_place_of_a_moved_part_is_remembered(backbones, tmp_path):
    own = dict(backbones, clip=str(shutil.copytree(backbones["clip"], tmp_path / "clip")))
    one = checkpoint.save(tmp_path / "one", frozen(own), include={"projector"})
    shutil.move(tmp_path / "clip", tmp_path / "moved")
    stage = checkpoint.load(one, references={"vision": str(tmp_path / "moved")})
    for part in ("vision", "language"):
        stage.model.set_trainable(part, False)
    two = checkpoint.save(tmp_path / "two", stage, include={"projector"})
    assert torch.equal(logits(checkpoint.load(two)), logits(stage))


def test_a_backbone_in_the_home_folder_goes_before_the_place_it_once_had(backbones, tmp_path, monkeypatch):
    for home in ("old", "new"):
        for kind in ("clip", "llama"):
            shutil.copytree(backbones[kind], tmp_path / home / kind)
    monkeypatch.setenv("HOME", str(tmp_path / "old"))
    old = frozen({"clip": "~/clip", "llama": "~/llama"})
    folder = checkpoint.save(tmp_path / "small", old, include={"projector"})
    stale = tmp_path / "old" / "clip" / "model.safetensors"
    stale.unlink()  # the model above still has it mapped
    stale.write_bytes(b"another model")
    monkeypatch.setenv("HOME", str(tmp_path / "new"))
    assert torch.equal(logits(checkpoint.load(folder)), logits(old))


def test_relative_backbones_are_found_from_another_folder(backbones, tmp_path, monkeypatch):
    shutil.copytree(backbones["clip"], tmp_path / "here" / "clip")
    shutil.copytree(backbones["llama"], tmp_path / "here" / "llama")
    monkeypatch.chdir(tmp_path / "here")
    config = ModelConfig(VisionConfig("./clip"), ProjectorConfig(), LanguageConfig("llama"))
    bundle = build(config, template="plain")
    bundle.model.set_trainable("vision", False)
    bundle.model.set_trainable("language", False)
    folder = checkpoint.save(tmp_path / "small", bundle, include={"projector"})
    monkeypatch.chdir(tmp_path)
    assert torch.equal(logits(checkpoint.load(folder)), logits(bundle))
