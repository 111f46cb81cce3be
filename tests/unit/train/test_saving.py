"""Saving in mid-run: what fails on one rank, what stays, and what a run may go back to."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from mmtune.errors import UserError
from mmtune.train import resume
from mmtune.train.checkpoints import complete_checkpoints, folder_of, prune
from mmtune.train.engines.single import Single
from mmtune.train.loop import train
from mmtune.train.settings import CheckpointConfig, Recipe


def test_a_training_state_that_cannot_be_written_costs_only_that_checkpoint(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """safetensors' own error is no OSError."""
    whole, calls = Single.save_state, [0]

    def save_state(self: Single, folder: Path) -> None:
        calls[0] += 1
        if calls[0] == 2:
            save_file({"a": torch.zeros(1)}, str(folder / "no such folder" / "a.safetensors"))
        whole(self, folder)

    monkeypatch.setattr(Single, "save_state", save_state)
    result = train(replace(recipe, checkpoint=CheckpointConfig(every=2)))
    assert (result.step, calls[0]) == (4, 2)
    out = Path(recipe.out)
    assert [path.name for path in complete_checkpoints(out)] == ["step-000000", "step-000004"]
    assert "goes on without this checkpoint" in (out / "log.txt").read_text()
    assert not list((out / "checkpoints").glob(".*"))


def finished(folder: Path) -> Path:
    """The least that counts as a checkpoint."""
    folder.mkdir(parents=True)
    (folder / "mmtune.json").write_text("{}")
    return folder


def test_a_checkpoint_that_cannot_be_deleted_does_not_end_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of one that something has open stay for a while on a network's disk."""
    for step in range(3):
        (finished(tmp_path / "checkpoints" / f"step-{step:06d}") / "weights").write_text("w")
    with monkeypatch.context() as patch:
        patch.setattr(os, "rmdir", _refuse)
        monkeypatch.setattr("mmtune.train.checkpoints.step_of", lambda path: int(path.name[-6:]))
        prune(tmp_path, keep=1)
    assert [path.name for path in complete_checkpoints(tmp_path)] == ["step-000002"]
    assert list((tmp_path / "checkpoints").glob(".*"))
    prune(tmp_path, keep=1)
    assert not list((tmp_path / "checkpoints").glob(".*"))


def _refuse(*args: object, **kwargs: object) -> None:
    raise OSError("busy")


def test_going_back_does_not_mix_two_branches_in_one_folder(recipe: Recipe, tmp_path: Path) -> None:
    steps = replace(recipe, checkpoint=CheckpointConfig(every=2, keep=9, final_state=True))
    train(steps)
    out = Path(recipe.out)
    back = replace(steps, checkpoint=replace(steps.checkpoint, resume=str(folder_of(out, 2))))
    with pytest.raises(UserError, match=r"newer.*step-000004.*--out"):
        train(back)
    assert resume.find(replace(back, out=str(tmp_path / "elsewhere"))) == folder_of(out, 2)
    shutil.rmtree(folder_of(out, 4))
    assert train(back).checkpoint == folder_of(out, 4)


def test_another_precision_goes_on_with_a_warning(recipe: Recipe, caplog: pytest.LogCaptureFixture) -> None:
    started = train(replace(recipe, checkpoint=CheckpointConfig(final_state=True)))
    other = replace(recipe, engine=replace(recipe.engine, precision="bf16", threads=1))
    assert resume.find(other) == started.checkpoint
    assert [r.getMessage() for r in caplog.records if "engine." in r.getMessage()] == [
        "engine.precision was fp32 and is now bf16: the losses will not be the same"
    ]
