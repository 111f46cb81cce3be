"""Checkpoints: everything comes back, and each file is what others can read."""

from __future__ import annotations

import os
import shutil

import pytest
import torch
from safetensors.torch import load_file

from mmtune.models import checkpoint
from mmtune.models.building import build
from tests.unit.models.checkpoint.models import logits
from tests.unit.models.rows import PAIRS, make_config


@pytest.mark.parametrize(("tower", "language"), PAIRS)
def test_the_model_comes_back_bit_for_bit_without_its_backbones(backbones, tmp_path, tower, language):
    config = make_config(backbones, tower, language, image_policy="pad")
    old = build(config, template="vicuna_v1", seed=4)
    checkpoint.save(tmp_path / "one", old)
    shutil.move(tmp_path / "one", tmp_path / "llava-lora-v1.5")
    new = checkpoint.load(tmp_path / "llava-lora-v1.5")
    before, after = old.model.state_dict(), new.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert torch.equal(logits(old), logits(new))
    assert (new.template, new.policy.name, new.config) == ("vicuna_v1", "pad", old.config.resolved())
    assert new.model.vision.geometry == old.model.vision.geometry
    text = "USER: Is there a red circle?</s>"
    assert new.tokenizer(text).input_ids == old.tokenizer(text).input_ids


def test_the_manifest_describes_the_checkpoint(saved, bundle):
    content = checkpoint.read_manifest(saved)
    assert content["step"] == 7 and content["recipe"] == {"template": "plain"}
    assert list(content["parts"]) == sorted(bundle.model.parts())
    assert content["image_token"] == {"placeholder": "<image>", "id": -200, "count": 16}
    assert content["model"]["vision"]["layer"] == -2
    assert content["versions"]["torch"] == torch.__version__.split("+")[0] or content["versions"]["torch"]
    for part in content["parts"].values():
        assert part["files"]
        for name in part["files"]:
            assert (saved / name).suffix == ".safetensors"
    assert not [p for p in saved.rglob("*") if p.suffix in (".bin", ".pt", ".pkl")]


def test_saving_twice_gives_the_same_bytes(bundle, tmp_path):
    one, two = (checkpoint.save(tmp_path / name, bundle) for name in ("one", "two"))
    for file in sorted(p for p in one.rglob("*") if p.is_file()):
        assert file.read_bytes() == (two / file.relative_to(one)).read_bytes(), file.name


def test_transformers_reads_the_language_folder_alone(saved, bundle):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(saved / "language")
    own = bundle.model.language.state_dict()
    assert all(torch.equal(own[name], tensor) for name, tensor in model.state_dict().items())
    assert len(AutoTokenizer.from_pretrained(saved / "language")) == len(bundle.tokenizer)


def test_large_parts_are_sharded(bundle, tmp_path):
    folder = checkpoint.save(tmp_path / "sharded", bundle, shard_bytes=60_000)
    shards = sorted((folder / "language").glob("*.safetensors"))
    assert len(shards) > 3
    assert all(len(load_file(shard)) == 1 or shard.stat().st_size < 70_000 for shard in shards)
    assert torch.equal(logits(checkpoint.load(folder)), logits(bundle))


def test_tied_weights_are_written_once(backbones, tmp_path):
    tied = build(make_config(backbones, language="qwen2"), template="plain")
    folder = checkpoint.save(tmp_path / "tied", tied)
    assert "lm_head.weight" not in load_file(folder / "language" / "model.safetensors")
    language = checkpoint.load(folder).model.language
    assert language.lm_head.weight is language.get_input_embeddings().weight


def test_tensors_of_a_sharding_engine_are_written(bundle, tmp_path):
    gathered = {
        part: {name: tensor + 1 for name, tensor in module.state_dict().items()}
        for part, module in bundle.model.parts().items()
    }
    folder = checkpoint.save(tmp_path / "gathered", bundle, tensors=gathered)
    new = checkpoint.load(folder).model.projector.state_dict()
    assert all(torch.equal(new[n], t + 1) for n, t in bundle.model.projector.state_dict().items())
    del gathered["projector"]["layers.0.bias"]
    with pytest.raises(ValueError, match=r"projector\.layers\.0\.bias"):
        checkpoint.save(tmp_path / "incomplete", bundle, tensors=gathered)
    assert list(tmp_path.iterdir()) == [folder]


def test_bfloat16_weights_come_back_as_such(backbones, tmp_path):
    bundle = build(make_config(backbones), template="plain")
    bundle.model.to(torch.bfloat16)
    new = checkpoint.load(checkpoint.save(tmp_path / "half", bundle))
    assert {p.dtype for p in new.model.language.parameters()} == {torch.bfloat16}


def test_float32_masters_of_a_bfloat16_model_come_back_unrounded(backbones, tmp_path):
    masters = build(make_config(backbones), template="plain").model
    tensors = {part: dict(module.state_dict()) for part, module in masters.parts().items()}
    bundle = build(make_config(backbones), template="plain")
    bundle.model.to(torch.bfloat16)
    folder = checkpoint.save(tmp_path / "masters", bundle, tensors=tensors)
    new = checkpoint.load(folder).model.state_dict()
    assert all(torch.equal(new[name], tensor) for name, tensor in masters.state_dict().items())


def test_meta_load_reads_no_weights(saved, tmp_path):
    bare = shutil.copytree(saved, tmp_path / "bare", ignore=shutil.ignore_patterns("*.safetensors"))
    assert all(p.is_meta for p in checkpoint.load(bare, meta=True).model.parameters())


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_others_may_read_the_weights_where_they_may_read_the_folder(bundle, tmp_path, umask):
    """A server runs as another user than the trainer; safetensors' own files are the owner's alone."""
    before = os.umask(umask)
    try:
        folder = checkpoint.save(tmp_path / "saved", bundle)
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()}
    assert modes == {0o666 & ~umask}
