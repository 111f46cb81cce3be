"""A projector that reads instructions trains on two ranks as on one, also where a rank has no image."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from mmtune.models import checkpoint
from tests.tiny_projectors import tiny_projector
from tests.tiny_run import losses
from tests.two_processes import STEPS, launch, train_alone, write_project

ENGINES = ("ddp", "fsdp2", "zero3")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As for the test of the engines: rows without images, and a whole step without; half-way states are read."""
    folder = tmp_path_factory.mktemp("instructed")
    write_project(folder, model__projector=asdict(tiny_projector("grounded_qformer", layers=2)))
    return folder


@pytest.fixture(scope="module")
def single(project: Path) -> Path:
    """The run folder of one process."""
    return train_alone(project)


@pytest.fixture(scope="module")
def reports(project: Path, single: Path) -> dict[str, dict[str, Any]]:
    """One launch of two processes goes through the engines; rank 0's reports by engine."""
    names = [f"{engine}-fp32" for engine in ENGINES]
    found, _ = launch("engines_child.py", project, names)
    return {name: found[name, 0] for name in names}


@pytest.mark.parametrize("engine", ENGINES)
def test_losses_and_weights_are_those_of_one_process(
    engine: str, project: Path, single: Path, reports: dict[str, dict[str, Any]]
) -> None:
    found, expected = losses(project / f"{engine}-fp32"), losses(single)
    assert len(expected) == STEPS and max(expected) - min(expected) > 0.01
    assert found == pytest.approx(expected, abs=1e-4)
    for part in ("projector", "language"):
        own = load_file(str(single / "checkpoints" / f"step-{STEPS:06d}" / part / "model.safetensors"))
        other = load_file(str(Path(reports[f"{engine}-fp32"]["checkpoint"]) / part / "model.safetensors"))
        assert set(own) == set(other)
        for name, tensor in own.items():
            torch.testing.assert_close(other[name], tensor, atol=2e-4, rtol=1e-3, msg=f"{part}.{name}")


def test_the_checkpoint_knows_its_projector(single: Path) -> None:
    bundle = checkpoint.load(single / "checkpoints" / f"step-{STEPS:06d}")
    assert bundle.model.projector.text_depth == 0.5
    assert bundle.policy.token_count(0, 0) == 6
