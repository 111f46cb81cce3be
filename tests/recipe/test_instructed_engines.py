"""A projector that reads instructions trains on two ranks as on one, also where a rank has no image."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from mmtune.data.mixture import Mixture
from mmtune.models import checkpoint
from mmtune.train.loop import train
from mmtune.train.recipe import load_recipe
from tests.tiny_projectors import tiny_projector
from tests.tiny_run import losses, write_recipe, write_records

STEPS, BATCH, RECORDS, TEXT_STEP = 4, 5, 20, 2
ENGINES = ("ddp", "fsdp2", "zero3")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As for the test of the engines: rows without images, and a whole step without; half-way states are read."""
    folder = tmp_path_factory.mktemp("instructed")
    write_recipe(
        folder,
        model__projector=asdict(tiny_projector("grounded_qformer", layers=2)),
        data__row_tokens=64,
        data__max_tokens=64,
        stage__learn={"projector": "full", "language": "full", "vision": "full"},
        optim__steps=STEPS,
        optim__batch_records=BATCH,
        optim__lr=1e-3,
        optim__warmup_ratio=0.0,
        checkpoint__keep=9,
        checkpoint__final_state=True,
    )
    order = Mixture([RECORDS], [1.0], seed=0)
    text = {order.at(position)[1] for position in range(TEXT_STEP * BATCH, (TEXT_STEP + 1) * BATCH)}
    write_records(folder, RECORDS, text_only=text, every_text=4)
    return folder


@pytest.fixture(scope="module")
def single(project: Path) -> Path:
    """The run folder of one process."""
    train(load_recipe(project / "recipe.yaml", ["--engine.name=single", f"--out={project / 'single'}"]))
    return project / "single"


@pytest.fixture(scope="module")
def reports(project: Path, single: Path) -> dict[str, dict[str, Any]]:
    """One launch of two processes goes through the engines; rank 0's reports by engine."""
    names = [f"{engine}-fp32" for engine in ENGINES]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, str(Path(__file__).with_name("engines_child.py")), str(project), *names],
        env={**os.environ, "PYTHONPATH": str(ROOT), "DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    found = {}
    for name in names:
        path = project / f"{name}-rank0.json"
        assert path.exists(), f"{name} left no report\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
        found[name] = json.loads(path.read_text())
        assert "error" not in found[name], found[name]["error"]
    return found


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
