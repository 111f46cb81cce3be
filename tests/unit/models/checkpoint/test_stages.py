"""The next stage starts from a checkpoint, and cannot contradict it."""

from __future__ import annotations

import shutil

import pytest
import torch

from mmtune.errors import UserError
from mmtune.models import checkpoint
from mmtune.models.building import build
from mmtune.models.config import ModelConfig
from tests.unit.models.checkpoint.models import frozen, logits
from tests.unit.models.rows import make_config


def test_a_stage_starts_from_a_checkpoint(backbones, saved, bundle, tmp_path):
    config = make_config(backbones, image_policy="pad", checkpoint=str(saved))
    stage = build(config, template="vicuna_v1")
    assert (stage.template, stage.policy.name, stage.model.policy.name) == ("vicuna_v1", "pad", "pad")
    assert stage.config.checkpoint == str(saved)
    assert torch.equal(logits(stage), logits(bundle))
    bare = build(ModelConfig(checkpoint=str(saved)), template="plain")
    assert bare.policy.name == "square" and torch.equal(logits(bare), logits(bundle))
    child = checkpoint.save(tmp_path / "child", stage)
    content = checkpoint.read_manifest(child)
    assert content["parent"]["folder"] == str(saved) and len(content["parent"]["sha256"]) == 64
    assert content["model"]["checkpoint"] is None


def test_another_type_is_that_of_weights_alone(backbones, saved):
    """A model's ``to`` would round the rotary frequencies, too."""
    stage = build(make_config(backbones, checkpoint=str(saved), dtype="bfloat16"), template="plain")
    fresh = build(make_config(backbones, dtype="bfloat16"), template="plain")
    assert {p.dtype for p in stage.model.language.parameters()} == {torch.bfloat16}
    before, after = (dict(one.model.language.named_buffers()) for one in (fresh, stage))
    assert before and all(torch.equal(before[name], after[name]) for name in before)


def test_a_frozen_part_keeps_its_reference_over_stages(backbones, tmp_path):
    one = checkpoint.save(tmp_path / "one", frozen(backbones))
    stage = build(ModelConfig(checkpoint=str(one)), template="plain")
    stage.model.set_trainable("vision", False)
    two = checkpoint.save(tmp_path / "two", stage, include={"projector", "language"})
    shutil.rmtree(one)
    assert torch.equal(logits(checkpoint.load(two)), logits(stage))


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"vision": ("layer", -1)}, "model.vision.layer"),
        ({"projector": ("depth", 3)}, "model.projector.depth"),
        ({"projector": ("name", "linear")}, "model.projector.name"),
    ],
)
def test_a_recipe_that_contradicts_its_checkpoint_is_refused(backbones, saved, changes, key):
    config = make_config(backbones, checkpoint=str(saved))
    for part, (name, value) in changes.items():
        setattr(getattr(config, part), name, value)
    with pytest.raises(UserError) as error:
        build(config, template="plain")
    assert error.value.where == key
