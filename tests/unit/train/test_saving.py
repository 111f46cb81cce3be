"""Saving in mid-run: what fails on one rank, what stays, and what a run may go back to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from mmtune.train.checkpoints import complete_checkpoints
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
