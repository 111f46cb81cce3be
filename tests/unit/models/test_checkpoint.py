"""Checkpoints: everything comes back, nothing is half-written, damage is named."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mmtune.errors import UserError
from mmtune.models import checkpoint
from mmtune.models.bundle import build
from mmtune.models.config import LanguageConfig, ModelConfig, ProjectorConfig, VisionConfig
from tests.unit.models.rows import IMAGE, PAIRS, TOWERS, make_config, make_row

ROW = [[-5, IMAGE, 6, 7], [8, 9, 10]]


def logits(bundle) -> torch.Tensor:
    with torch.no_grad():
        return bundle.model(make_row(ROW))


@pytest.fixture(scope="module")
def saved(bundle, tmp_path_factory) -> Path:
    """A complete checkpoint; tests that damage it copy it first."""
    folder = tmp_path_factory.mktemp("saved") / "step-7"
    return checkpoint.save(folder, bundle, manifest={"step": 7, "recipe": {"template": "plain"}})


@pytest.fixture
def copy(saved, tmp_path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "copy"))


def edit(folder: Path, change) -> None:
    file = folder / "mmtune.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


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


# Parts by reference


def frozen(backbones, tower: str = "clip"):
    bundle = build(make_config(backbones, tower), template="plain")
    bundle.model.set_trainable("vision", False)
    bundle.model.set_trainable("language", False)
    return bundle


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


def test_meta_load_reads_no_weights(saved, tmp_path):
    bare = shutil.copytree(saved, tmp_path / "bare", ignore=shutil.ignore_patterns("*.safetensors"))
    assert all(p.is_meta for p in checkpoint.load(bare, meta=True).model.parameters())


# The next stage


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


# What goes wrong


def test_nothing_is_overwritten(saved, bundle, tmp_path):
    before = {p: p.stat().st_mtime_ns for p in saved.rglob("*")}
    with pytest.raises(UserError, match="there is something already"):
        checkpoint.save(saved, bundle)
    assert {p: p.stat().st_mtime_ns for p in saved.rglob("*")} == before
    (tmp_path / "empty").mkdir()
    checkpoint.save(tmp_path / "empty", bundle)


class _Interrupted(dict):
    def __getitem__(self, name):
        raise KeyboardInterrupt


def test_ctrl_c_leaves_nothing_and_a_killed_save_is_swept_up(bundle, tmp_path):
    stale = tmp_path / ".step.saving-123"
    stale.mkdir()
    tensors = {part: _Interrupted(module.state_dict()) for part, module in bundle.model.parts().items()}
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(tmp_path / "step", bundle, tensors=tensors)
    assert list(tmp_path.iterdir()) == []


FULL_DISK = """
import resource, sys
from mmtune.errors import UserError
from mmtune.models import checkpoint
bundle = checkpoint.load(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    checkpoint.save(sys.argv[2], bundle)
except UserError as error:
    sys.exit(f"refused: {error}")
"""


def test_a_disk_that_takes_no_more_leaves_nothing(saved, tmp_path, root):
    """A limit on file sizes makes the kernel refuse the write as a full disk does."""
    target = tmp_path / "runs" / "step"
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(saved), str(target)],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "refused: the checkpoint cannot be written" in done.stderr, done.stderr[-2000:]
    assert list((tmp_path / "runs").iterdir()) == []


def test_an_unwritable_place(bundle, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        checkpoint.save(tmp_path / "file" / "step", bundle)


@pytest.mark.parametrize("part", ["vision", "projector", "language"])
def test_truncated_and_missing_weights(copy, part):
    weights = copy / part / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(UserError, match="damaged or cut short"):
        checkpoint.load(copy)
    weights.unlink()
    with pytest.raises(UserError, match="weight file is missing"):
        checkpoint.load(copy)


@pytest.mark.parametrize("part", ["vision", "projector", "language"])
def test_weights_of_another_shape_are_named(copy, part):
    weights = copy / part / "model.safetensors"
    tensors = load_file(weights)
    first, second, third = sorted(tensors)[:3]
    tensors[first] = torch.cat([tensors[first], tensors[first]])
    del tensors[second]
    tensors["odd.name"] = tensors.pop(third)
    save_file(tensors, weights, metadata={"format": "pt"})
    with pytest.raises(UserError) as error:
        checkpoint.load(copy)
    for expected in (f"{second} is missing", "odd.name is not of this model", "and 1 more", part):
        assert expected in str(error.value)


def test_folders_that_are_no_checkpoints(copy, tmp_path):
    with pytest.raises(UserError, match="no such checkpoint folder"):
        checkpoint.load(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"has no mmtune\.json"):
        checkpoint.load(tmp_path)
    edit(copy, lambda c: c.update(format=99))
    with pytest.raises(UserError, match="format 99, this mmtune reads 1"):
        checkpoint.load(copy)
    (copy / "mmtune.json").write_text('{"format": 1,')
    with pytest.raises(UserError, match="cannot be read as JSON"):
        checkpoint.load(copy)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.pop("template"),
        lambda c: c["parts"].pop("projector"),
        lambda c: c["model"].pop("language"),
        lambda c: c["model"]["vision"].update(colour="red"),
        lambda c: c["parts"]["projector"].update(files={}),
        lambda c: c["parts"]["vision"].update(library="other"),
        lambda c: c["parts"]["vision"].pop("geometry"),
    ],
)
def test_damaged_manifests(copy, change):
    edit(copy, change)
    with pytest.raises(UserError):
        checkpoint.load(copy)


def test_a_caller_cannot_overwrite_the_manifests_own_keys(bundle, tmp_path):
    with pytest.raises(ValueError, match="'parts'"):
        checkpoint.save(tmp_path / "step", bundle, manifest={"parts": {}})


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
