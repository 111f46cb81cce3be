"""Two processes of each engine learn from tiles what one process learns, the newline among it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.tiny_run import losses, write_recipe
from tests.two_processes import launch, train_alone

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
    train_alone(folder)
    launch("engines_child.py", folder, ENGINES)
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
