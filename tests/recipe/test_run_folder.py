"""What a run leaves behind, in one process: checkpoints, reports, and how it goes on."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mmtune.errors import UserError
from mmtune.models import checkpoint
from mmtune.train import objectives, training_state
from mmtune.train.checkpoints import complete_checkpoints, newest_of
from mmtune.train.interrupt import StopRequest
from mmtune.train.loop import train
from mmtune.train.recipe import load_recipe
from mmtune.train.settings import CheckpointConfig, Recipe
from mmtune.train.telemetry import Telemetry
from tests.tiny_run import losses


def with_optim(recipe: Recipe, **changes: object) -> Recipe:
    return replace(recipe, optim=replace(recipe.optim, **changes))


def test_a_run_learns_reports_and_can_be_loaded(recipe: Recipe) -> None:
    recipe = replace(
        with_optim(recipe, steps=12, lr=1e-2),
        data=replace(recipe.data, validation_fraction=0.2),
        validation=replace(recipe.validation, every=6, samples=2, sample_tokens=4),
        tensorboard=True,
    )
    result = train(recipe)
    out = Path(recipe.out)
    assert (result.step, result.interrupted) == (12, False)
    assert losses(out)[-1] < 0.8 * losses(out)[0]
    rows = [json.loads(line) for line in (out / "scalars.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "validation_loss" in row] == [6, 12]
    assert {"loss", "grad_norm", "lr/projector", "lr/language", "tokens_per_s", "packing_efficiency"} <= set(
        rows[0]
    )
    samples = [json.loads(line) for line in (out / "samples.jsonl").read_text().splitlines()]
    assert {row["step"] for row in samples} == {6, 12}
    assert all(set(row) == {"step", "id", "prompt", "truth", "answer"} for row in samples)
    assert list((out / "tensorboard").glob("events*"))
    assert "validation loss" in (out / "log.txt").read_text()
    assert load_recipe(out / "recipe.yaml") == recipe
    manifest = checkpoint.read_manifest(result.checkpoint)
    assert (manifest["step"], manifest["stage"]) == (12, "tune")
    assert manifest["training"]["engine"]["wrapper"] == "VisionLanguageModel"
    assert newest_of(str(out)) == str(result.checkpoint)
    assert not (result.checkpoint / "state" / "optimizer.safetensors").exists()
    loaded = checkpoint.load(result.checkpoint)
    assert loaded.template == recipe.template
    assert train(recipe).step == 12
    assert len(losses(out)) == 12


def test_the_first_step_is_preceded_by_a_checkpoint(recipe: Recipe) -> None:
    train(replace(with_optim(recipe, steps=1), checkpoint=CheckpointConfig(keep=5)))
    steps = [checkpoint.read_manifest(path)["step"] for path in complete_checkpoints(Path(recipe.out))]
    assert steps == [0, 1]


def test_only_the_newest_are_kept(recipe: Recipe) -> None:
    train(replace(recipe, checkpoint=CheckpointConfig(every=1, keep=2)))
    assert [path.name for path in complete_checkpoints(Path(recipe.out))] == ["step-000003", "step-000004"]


def test_frozen_parts_are_referred_to_unless_asked_for(recipe: Recipe) -> None:
    align = replace(with_optim(recipe, steps=1), stage=replace(recipe.stage, learn={"projector": "full"}))
    first = train(align)
    parts = checkpoint.read_manifest(first.checkpoint)["parts"]
    assert parts["projector"]["files"]
    assert not parts["language"]["files"]
    tune = replace(
        recipe,
        model=replace(recipe.model, checkpoint=align.out),
        out=f"{recipe.out}-tune",
        checkpoint=CheckpointConfig(save_frozen=True),
    )
    second = train(tune)
    parts = checkpoint.read_manifest(second.checkpoint)["parts"]
    assert all(parts[part]["files"] for part in ("vision", "projector", "language"))


def test_another_recipe_does_not_go_on_in_the_same_folder(recipe: Recipe) -> None:
    train(with_optim(recipe, steps=1))
    kept = (Path(recipe.out) / "recipe.yaml").read_text()
    with pytest.raises(UserError, match=r"optim\.lr .*--out"):
        train(with_optim(recipe, steps=1, lr=1e-4))
    assert (Path(recipe.out) / "recipe.yaml").read_text() == kept
    with pytest.raises(UserError, match="earlier run"):
        train(replace(with_optim(recipe, steps=1), checkpoint=CheckpointConfig(resume="never")))


def test_a_run_can_be_prolonged(recipe: Recipe) -> None:
    kept = replace(recipe, checkpoint=CheckpointConfig(final_state=True))
    train(with_optim(kept, steps=2))
    assert train(with_optim(kept, steps=4)).step == 4
    assert len(losses(Path(recipe.out))) == 4


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_ends_the_run_after_the_step(
    recipe: Recipe, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = objectives.OBJECTIVES["sft"]
    calls: list[int] = []

    def signalling(model: torch.nn.Module, batch: object) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 2:
            os.kill(os.getpid(), number)
        return whole(model, batch)  # type: ignore[arg-type]

    monkeypatch.setitem(objectives.OBJECTIVES, "sft", signalling)
    single_row = replace(recipe, data=replace(recipe.data, row_tokens=4096))
    result = train(single_row)
    assert (result.step, result.interrupted) == (2, True)
    assert (result.checkpoint / "state" / "optimizer.safetensors").exists()
    assert "goes on from" in (Path(recipe.out) / "log.txt").read_text()
    monkeypatch.setitem(objectives.OBJECTIVES, "sft", whole)
    assert train(single_row).step == 4


def test_a_loss_that_is_not_finite_names_step_and_records(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = objectives.OBJECTIVES["sft"]

    def poisoned(model: torch.nn.Module, batch: object) -> torch.Tensor:
        ids = batch.record_ids  # type: ignore[attr-defined]
        return whole(model, batch) * (float("nan") if "r7" in ids else 1.0)  # type: ignore[arg-type]

    monkeypatch.setitem(objectives.OBJECTIVES, "sft", poisoned)
    with pytest.raises(UserError, match=r"loss of step \d+ is not finite.*r7"):
        train(recipe)
    (saved,) = complete_checkpoints(Path(recipe.out))[-1:]
    tensors = checkpoint.load(saved).model.state_dict()
    assert all(torch.isfinite(t).all() for t in tensors.values())


def test_a_disk_that_takes_no_more_leaves_nothing_half_written(recipe: Recipe) -> None:
    """A limit on the size of files stands in for a full disk: the write fails in the middle."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, before[1]))
    try:
        with pytest.raises(UserError) as caught:
            train(recipe)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert "cannot be written" in str(caught.value)
    assert "step-000000" in str(caught.value)
    assert list((Path(recipe.out) / "checkpoints").iterdir()) == []
    assert train(recipe).step == 4


def test_random_states_come_back(tmp_path: Path) -> None:
    random.random(), np.random.rand(), torch.rand(1), random.gauss(0, 1)
    training_state.write_rng(tmp_path, rank=3)
    first = (random.random(), random.gauss(0, 1), np.random.rand(), torch.rand(2).tolist())
    assert training_state.restore_rng(tmp_path, rank=3)
    assert first == (random.random(), random.gauss(0, 1), np.random.rand(), torch.rand(2).tolist())
    assert not training_state.restore_rng(tmp_path, rank=4)


def test_reports_of_steps_that_will_be_done_again_are_forgotten(tmp_path: Path) -> None:
    lines = [json.dumps({"step": step, "loss": 1.0}) for step in range(1, 6)]
    (tmp_path / "scalars.jsonl").write_text("\n".join(lines) + '\n{"step": 6, "lo')
    with Telemetry(tmp_path, total=9, start=3, title="t", tensorboard=False):
        pass
    assert len(losses(tmp_path)) == 3


def test_a_second_interrupt_ends_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.requested
        assert "Ctrl-C again stops at once" in capfd.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
