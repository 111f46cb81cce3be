"""Two processes of each engine learn from tiles what one process learns, the newline among it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mmtune.train.loop import train
from mmtune.train.recipe import load_recipe
from tests.tiny_run import losses, write_recipe

ENGINES = ("ddp-fp32", "fsdp2-fp32", "zero3-fp32")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows with tiles and rows without any image; one process, then two of each engine."""
    folder = tmp_path_factory.mktemp("tiles")
    write_recipe(
        folder,
        model__image_policy="anyres",
        data__max_tokens=96,
        data__row_tokens=96,
        stage__learn={"projector": "full", "language": "full", "vision": "full"},
        optim__lr=1e-3,
        optim__warmup_ratio=0.0,
        checkpoint__keep=9,
    )
    recipe = str(folder / "recipe.yaml")
    train(load_recipe(recipe, ["--engine.name=single", f"--out={folder / 'single'}"]))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, str(Path(__file__).with_name("engines_child.py")), str(folder), *ENGINES],
        env={**os.environ, "PYTHONPATH": str(ROOT), "DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    for name in ENGINES:
        report = folder / f"{name}-rank0.json"
        assert report.exists(), done.stderr[-5000:]
        assert "error" not in json.loads(report.read_text()), report.read_text()
    return folder


def _newline(folder: Path) -> torch.Tensor:
    newest = max((folder / "checkpoints").glob("step-*"))
    return load_file(newest / "projector" / "model.safetensors")["newline.weight"]


@pytest.mark.parametrize("name", ENGINES)
def test_two_processes_learn_what_one_learns(project: Path, name: str) -> None:
    assert losses(project / name) == pytest.approx(losses(project / "single"), rel=1e-4)
    torch.testing.assert_close(_newline(project / name), _newline(project / "single"), rtol=1e-3, atol=1e-5)


def test_the_newline_learns(project: Path) -> None:
    first = min((project / "single" / "checkpoints").glob("step-*"))
    before = load_file(first / "projector" / "model.safetensors")["newline.weight"]
    assert (before - _newline(project / "single")).abs().max() > 1e-4
