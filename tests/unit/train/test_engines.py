"""Choosing an engine, and refusing one that is not what it says."""

from __future__ import annotations

from typing import Any

import pytest

from mmtune.errors import UserError
from mmtune.models.bundle import Bundle
from mmtune.train import stages
from mmtune.train.engines import make_engine
from mmtune.train.engines.base import EngineError
from mmtune.train.engines.ddp import Ddp
from mmtune.train.engines.fsdp2 import Fsdp2
from mmtune.train.engines.topology import Topology, read_topology
from mmtune.train.settings import EngineConfig, Recipe

LAUNCHER = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@pytest.fixture(autouse=True)
def _no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LAUNCHER:
        monkeypatch.setenv(name, "")  # so that what an engine exports is taken back after the test
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Topology()),
        ({"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}, Topology(3, 8, 1, 2)),
        (
            {
                "SLURM_PROCID": "5",
                "SLURM_NTASKS": "8",
                "SLURM_LOCALID": "1",
                "SLURM_NTASKS_PER_NODE": "4",
                "SLURM_STEP_ID": "0",
            },
            Topology(5, 8, 1, 4),
        ),
        # inside an allocation, but not started by srun: one process
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "8"}, Topology()),
    ],
)
def test_launchers_are_read(environment: dict[str, str], expected: Topology) -> None:
    assert read_topology(environment) == expected


def test_half_a_launcher_is_refused() -> None:
    with pytest.raises(UserError, match="torchrun"):
        read_topology({"WORLD_SIZE": "2"})


def test_single_does_not_run_twice_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match="2 processes"):
        make_engine(EngineConfig(name="single"))


def test_auto_is_single_without_a_launcher() -> None:
    assert make_engine(EngineConfig()).name == "single"


def test_auto_precision_is_fp32_without_a_gpu() -> None:
    assert make_engine(EngineConfig()).precision == "fp32"
    assert make_engine(EngineConfig(precision="bf16")).precision == "bf16"


def test_a_gpu_that_is_not_there_is_refused() -> None:
    with pytest.raises(UserError, match="0 GPUs"):
        make_engine(EngineConfig(device="cuda"))


def wrap(engine: Any, bundle: Bundle, recipe: Recipe) -> None:
    stages.apply(bundle.model, recipe.stage)
    engine.wrap(
        bundle.model,
        lambda model: stages.param_groups(model, recipe.stage, recipe.optim),
        betas=(0.9, 0.999),
        eps=1e-8,
        clip=1.0,
    )


@pytest.mark.parametrize("engine_class", [Ddp, Fsdp2])
def test_an_engine_that_wraps_nothing_is_found_out(
    engine_class: type[Any], bundle: Bundle, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_class, "_wrapped", lambda self, model: model)
    engine = engine_class(EngineConfig(precision="fp32"), Topology())
    try:
        with pytest.raises(EngineError):
            wrap(engine, bundle, recipe)
    finally:
        engine.close()


@pytest.mark.parametrize("engine_class", [Ddp, Fsdp2])
def test_a_real_engine_passes_alone(engine_class: type[Any], bundle: Bundle, recipe: Recipe) -> None:
    engine = engine_class(EngineConfig(precision="fp32"), Topology())
    try:
        wrap(engine, bundle, recipe)
        assert engine.describe()["world"] == 1
    finally:
        engine.close()
