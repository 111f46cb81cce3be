"""Two real processes with each engine learn what one process learns, and are what they say they are."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from mmtune.models import checkpoint
from mmtune.train.engines import ENGINES
from mmtune.train.loop import train
from mmtune.train.recipe import load_recipe
from tests import processes
from tests.tiny_run import losses
from tests.two_processes import STEPS, TEXT_STEP, launch, train_alone, write_project

ROWS = 3  # on each rank: five records of one row each, and an empty one
EXACT = ("ddp", "fsdp2", "zero1", "zero2", "zero3")
ROUNDED = ("ddp", "fsdp2", "zero2", "zero3")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four steps of one record a row: some rows have no image, the third step has none at all."""
    folder = tmp_path_factory.mktemp("engines")
    write_project(folder)
    return folder


@pytest.fixture(scope="module")
def single(project: Path) -> Path:
    """The run folder of one process."""
    return train_alone(project)


@pytest.fixture(scope="module")
def reports(project: Path, single: Path) -> dict[str, dict[str, Any]]:
    """One launch of two processes goes through all engines; rank 0's reports by engine."""
    names = [f"{engine}-fp32" for engine in EXACT] + [f"{engine}-bf16" for engine in ROUNDED]
    found, done = launch("engines_child.py", project, names)
    assert done.returncode == 0, done.stderr[-3000:]
    return {name if rank == 0 else f"{name}-rank1": report for (name, rank), report in found.items()}


def described(report: dict[str, Any]) -> dict[str, Any]:
    """What wrapped the model, as the checkpoint says."""
    found: dict[str, Any] = checkpoint.read_manifest(report["checkpoint"])["training"]["engine"]
    return found


def weights(folder: str | Path, part: str) -> dict[str, torch.Tensor]:
    return load_file(str(Path(folder) / part / "model.safetensors"))


@pytest.mark.parametrize("engine", EXACT)
def test_losses_are_those_of_one_process(
    engine: str, project: Path, single: Path, reports: dict[str, dict[str, Any]]
) -> None:
    found, expected = losses(project / f"{engine}-fp32"), losses(single)
    assert len(expected) == STEPS
    assert found == pytest.approx(expected, abs=1e-4)
    assert max(expected) - min(expected) > 0.01


@pytest.mark.parametrize("engine", EXACT)
def test_weights_are_those_of_one_process(
    engine: str, single: Path, reports: dict[str, dict[str, Any]]
) -> None:
    for part in ("vision", "projector", "language"):
        expected = weights(single / "checkpoints" / f"step-{STEPS:06d}", part)
        found = weights(reports[f"{engine}-fp32"]["checkpoint"], part)
        assert set(found) == set(expected)
        for name, tensor in expected.items():
            torch.testing.assert_close(found[name], tensor, atol=2e-4, rtol=1e-3, msg=f"{part}.{name}")


@pytest.mark.parametrize("engine", EXACT)
def test_all_ranks_stopped_together_and_went_on(engine: str, reports: dict[str, dict[str, Any]]) -> None:
    for suffix in ("", "-rank1"):
        report = reports[f"{engine}-fp32{suffix}"]
        assert report["stopped"] == [2, True, "step-000002"]
        assert report["ended"] == [STEPS, False]


def test_rows_and_a_whole_step_without_images_were_trained(reports: dict[str, dict[str, Any]]) -> None:
    rows = [reports[f"ddp-fp32{suffix}"]["images"] for suffix in ("", "-rank1")]
    assert [len(images) for images in rows] == [ROWS * STEPS] * 2
    steps = [sorted(rows[0][k : k + ROWS] + rows[1][k : k + ROWS]) for k in range(0, ROWS * STEPS, ROWS)]
    assert steps[TEXT_STEP] == [0] * 2 * ROWS
    for step in set(range(STEPS)) - {TEXT_STEP}:
        assert (steps[step][0], steps[step][-1]) == (0, 1)  # the empty row, and a record with an image
    assert steps[1][:2] == [0, 0]  # beside the empty row a record without image


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_ddp_is_ddp(precision: str, reports: dict[str, dict[str, Any]]) -> None:
    found = described(reports[f"ddp-{precision}"])
    assert (found["engine"], found["wrapper"]) == ("ddp", "DistributedDataParallel")
    assert (found["world"], found["group_size"], found["backend"]) == (2, 2, "gloo")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_fsdp2_shards_every_parameter(precision: str, reports: dict[str, dict[str, Any]]) -> None:
    found = described(reports[f"fsdp2-{precision}"])
    assert found["wrapper"] == "FSDPModule"
    assert found["parameter_types"] == ["DTensor"]
    assert found["placements"] == ["(Shard(dim=0),)"]
    assert found["units"] == 5  # two of three tower layers, two decoder layers, the rest
    assert found["parameters_held"] == pytest.approx(found["parameters_full"] / 2, rel=0.02)


@pytest.mark.parametrize(
    ("engine", "precision"),
    [("zero1", "fp32"), ("zero2", "fp32"), ("zero2", "bf16"), ("zero3", "fp32"), ("zero3", "bf16")],
)
def test_zero_is_of_the_stage_it_says(
    engine: str, precision: str, reports: dict[str, dict[str, Any]]
) -> None:
    found = described(reports[f"{engine}-{precision}"])
    assert found["wrapper"] == "DeepSpeedEngine"
    assert found["zero_stage"] == int(engine[-1])
    assert found["optimizer_held"] == pytest.approx(found["trainable_full"] / 2, rel=0.05)
    if engine == "zero3":
        assert found["partitioned_parameters"] > 50
        assert found["parameters_held"] == pytest.approx(found["parameters_full"] / 2, rel=0.05)
    else:
        assert found["partitioned_parameters"] == 0
        assert found["parameters_held"] == found["parameters_full"]


def test_another_stage_than_the_one_named_is_found_out(project: Path, reports: dict[str, Any]) -> None:
    for rank in (0, 1):
        found = json.loads((project / f"liar-rank{rank}.json").read_text())
        assert "zero3 came out as ZeRO stage 2" in found["error"]


@pytest.mark.parametrize("engine", ROUNDED)
def test_bf16_stays_near_fp32(
    engine: str, project: Path, single: Path, reports: dict[str, dict[str, Any]]
) -> None:
    assert described(reports[f"{engine}-bf16"])["precision"] == "bf16"
    found, expected = losses(project / f"{engine}-bf16"), losses(single)
    assert found == pytest.approx(expected, abs=0.03)
    assert found != pytest.approx(expected, abs=1e-5)
    kept = weights(reports[f"{engine}-bf16"]["checkpoint"], "projector")
    assert {tensor.dtype for tensor in kept.values()} == {torch.float32}


def test_a_sharded_checkpoint_loads_like_any_other(reports: dict[str, dict[str, Any]]) -> None:
    for engine in ("fsdp2", "zero3"):
        bundle = checkpoint.load(reports[f"{engine}-fp32"]["checkpoint"])
        assert all(torch.isfinite(p).all() for p in bundle.model.parameters())


def test_another_engine_goes_on_from_a_checkpoint(
    project: Path, single: Path, reports: dict[str, Any]
) -> None:
    """FSDP2's state, gathered, is that of one process: two ranks' run ends on one."""
    start = project / "fsdp2-fp32" / "checkpoints" / "step-000002"
    recipe = load_recipe(
        project / "recipe.yaml",
        ["--engine.name=single", f"--out={project / 'moved'}", f"--checkpoint.resume={start}"],
    )
    result = train(recipe)
    assert result.step == STEPS
    assert losses(project / "moved") == pytest.approx(losses(single)[2:], abs=1e-4)


def test_choosing_an_engine_imports_no_other() -> None:
    """DeepSpeed alone takes seconds to import."""
    script = (
        "import sys; from mmtune.train.engines import make_engine; from mmtune.train.settings import EngineConfig;"
        "make_engine(EngineConfig(name='single')); sys.exit('deepspeed' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert processes.run(["-c", script], env=environment, timeout=120).returncode == 0
    assert set(ENGINES) == {"single", "ddp", "fsdp2", "zero1", "zero2", "zero3"}
