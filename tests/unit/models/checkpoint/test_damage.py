"""What goes wrong: nothing is half-written or overwritten, and damage is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mmtune.errors import UserError
from mmtune.models import checkpoint


def edit(folder: Path, change) -> None:
    file = folder / "mmtune.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


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
    for expected in (f"missing: {second}", "not of this model: odd.name", f"{first} is [", part):
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
