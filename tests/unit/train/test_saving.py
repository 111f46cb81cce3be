"""Saving in mid-run: what fails on one rank, what stays, and what a run may go back to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from mmtune.data.loader import Step, StepLoader
from mmtune.errors import UserError
from mmtune.train import resume
from mmtune.train.checkpoints import complete_checkpoints, folder_of, prune
from mmtune.train.engines.single import Single
from mmtune.train.loop import train
from mmtune.train.settings import CheckpointConfig, Recipe
from tests.tiny_run import losses


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


@pytest.fixture
def own_records(recipe: Recipe, tmp_path: Path) -> Recipe:
    """The tiny recipe over a copy of the records, without checkpoints on the way."""
    (source,) = recipe.data.train
    copy = shutil.copy(source.path, tmp_path / "records.json")
    source = replace(source, path=str(copy), image_root=str(Path(source.path).parent))
    data = replace(recipe.data, train=[source])
    return replace(recipe, data=data, checkpoint=CheckpointConfig(every=100))


def breaks_after(steps: int, break_it: Callable[[], object]) -> pytest.MonkeyPatch:
    """Something goes wrong with the records once so many steps of training are taken."""
    feed, patch = StepLoader.__iter__, pytest.MonkeyPatch()

    def breaking(self: StepLoader) -> Iterator[Step]:
        for step in feed(self):
            yield step
            if step.index + 1 == steps:
                break_it()

    patch.setattr(StepLoader, "__iter__", breaking)
    return patch


def test_an_error_of_the_loader_leaves_what_was_learnt(own_records: Recipe) -> None:
    """The run ends with the loader's own sentence; once it is mended the same command goes on from there."""
    recipe, out = own_records, Path(own_records.out)
    uninterrupted = replace(recipe, out=f"{recipe.out}-whole")
    train(uninterrupted)
    file = Path(recipe.data.train[0].path)
    content = file.read_bytes()
    patch = breaks_after(3, lambda: file.write_bytes(content.replace(b"red", b"RED")))
    with pytest.raises(UserError, match="records' file was changed while it was in use"):
        train(recipe)
    patch.undo()
    assert complete_checkpoints(out)[-1] == folder_of(out, 3)
    assert f"stopped after step 3 of 4; the same command goes on from {folder_of(out, 3)}" in (
        (out / "log.txt").read_text()
    )
    file.write_bytes(content)
    assert train(recipe).step == 4
    assert losses(out) == losses(Path(uninterrupted.out))


def test_a_fault_of_the_program_in_the_loader_leaves_what_was_learnt(own_records: Recipe) -> None:
    out = Path(own_records.out)
    patch = breaks_after(2, lambda: [][0])
    with pytest.raises(IndexError):
        train(own_records)
    patch.undo()
    assert complete_checkpoints(out)[-1] == folder_of(out, 2)


def test_where_even_that_cannot_be_saved_the_loaders_error_is_told(
    own_records: Recipe, caplog: pytest.LogCaptureFixture
) -> None:
    file, out = Path(own_records.data.train[0].path), Path(own_records.out)

    def break_both() -> None:
        file.unlink()
        shutil.rmtree(out / "checkpoints")
        (out / "checkpoints").write_text("a file where the folder was")

    patch = breaks_after(2, break_both)
    with pytest.raises(UserError, match="the records' file cannot be read"):
        train(own_records)
    patch.undo()
    assert "What was learnt since" in caplog.text
