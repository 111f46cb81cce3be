"""Whole runs with adapters: one process, resumed, two processes with each engine, and a run from the result."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from mmtune.models import checkpoint
from mmtune.models.adapters.saved import attach_lora
from mmtune.models.building import build
from mmtune.train.loop import train
from mmtune.train.recipe import load_recipe
from tests.tiny_run import losses, write_recipe
from tests.two_processes import launch

STEPS = 4
ADAPTERS: dict[str, dict[str, Any]] = {
    "lora": {"rank": 4, "alpha": 8, "dropout": 0.0},
    "mole": {"experts": 3, "rank": 4, "alpha": 8, "dropout": 0.0},
    "language_expert": {"width": 4, "guidance": 4},
}
RUNS = [
    *(f"{kind}-{engine}" for kind in ("lora", "mole") for engine in ("ddp", "fsdp2", "zero2", "zero3")),
    "language_expert-ddp",
    "language_expert-zero3",
]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One recipe for each kind of adapter; rows of one record each, so that some ranks run an empty row."""
    folder = tmp_path_factory.mktemp("adapters")
    write_recipe(
        folder,
        data__row_tokens=64,
        data__max_tokens=64,
        optim__steps=STEPS,
        optim__batch_records=5,
        optim__lr=5e-3,
        optim__warmup_ratio=0.0,
        optim__schedule="constant",
        checkpoint__keep=9,
        checkpoint__every=2,
        checkpoint__final_state=True,
    )
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text())
    for kind, settings in ADAPTERS.items():
        stage = {"learn": {"projector": "full", "language": kind}, "adapters": {"language": settings}}
        (folder / f"{kind}.yaml").write_text(yaml.safe_dump(recipe | {"stage": stage}))
    return folder


@pytest.fixture(scope="module")
def single(project: Path) -> dict[str, Path]:
    """Run folder of one process for each kind of adapter."""
    folders = {kind: project / f"{kind}-single" for kind in ADAPTERS}
    for kind, out in folders.items():
        train(load_recipe(project / f"{kind}.yaml", ["--engine.name=single", f"--out={out}"]))
    return folders


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """What the run has learnt: the projector and the adapter."""
    model = checkpoint.load(folder).model
    return {
        name: t.detach() for part in ("projector", "adapters") for name, t in model.state_of(part).items()
    }


@pytest.mark.parametrize("kind", ADAPTERS)
def test_a_run_learns_and_keeps_its_base_elsewhere(kind: str, single: dict[str, Path]) -> None:
    found = losses(single[kind])
    assert len(found) == STEPS and found[-1] < found[0]
    rows = [json.loads(line) for line in (single[kind] / "scalars.jsonl").read_text().splitlines()]
    rates = {key for row in rows for key in row if key.startswith("lr/")}
    assert rates == {"lr/projector", "lr/adapters"}
    assert ("auxiliary_loss" in rows[0]) is (kind == "mole")
    last = single[kind] / "checkpoints" / f"step-{STEPS:06d}"
    assert not list((last / "language").glob("*.safetensors")) and not list((last / "vision").iterdir())
    start, end = (weights(last.with_name(f"step-{step:06d}")) for step in (0, STEPS))
    assert all(
        not torch.equal(start[name], end[name]) for name in end if "lora_B" in name or "lora_b" in name
    )


@pytest.mark.parametrize("kind", ADAPTERS)
def test_a_resumed_run_is_the_same_bit_for_bit(kind: str, project: Path, single: dict[str, Path]) -> None:
    start = single[kind] / "checkpoints" / "step-000002"
    again = train(
        load_recipe(
            project / f"{kind}.yaml",
            ["--engine.name=single", f"--out={project / f'{kind}-again'}", f"--checkpoint.resume={start}"],
        )
    )
    assert losses(project / f"{kind}-again") == losses(single[kind])[2:]
    expected = weights(single[kind] / "checkpoints" / f"step-{STEPS:06d}")
    found = weights(again.checkpoint)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.fixture(scope="module")
def reports(project: Path, single: dict[str, Path]) -> dict[str, dict[str, Any]]:
    """One launch of two processes goes through all runs."""
    found, _ = launch("adapters_child.py", project, RUNS)
    return {name: found[name, 1] for name in RUNS}


@pytest.mark.parametrize("name", RUNS)
def test_two_processes_learn_what_one_does(
    name: str, project: Path, single: dict[str, Path], reports: dict[str, dict[str, Any]]
) -> None:
    kind = name.partition("-")[0]
    assert reports[name]["step"] == STEPS
    assert losses(project / name) == pytest.approx(losses(single[kind]), abs=1e-4)
    expected = weights(single[kind] / "checkpoints" / f"step-{STEPS:06d}")
    found = weights(Path(reports[name]["checkpoint"]))
    assert set(found) == set(expected)
    for key, tensor in expected.items():
        torch.testing.assert_close(found[key], tensor, atol=2e-3, rtol=1e-2, msg=key)


def test_peft_reads_what_a_sharded_run_has_saved(project: Path, reports: dict[str, dict[str, Any]]) -> None:
    recipe = load_recipe(project / "lora.yaml", [])
    bundle = build(recipe.model, template="plain")
    adapter = attach_lora(
        bundle.model, "language", Path(reports["lora-zero3"]["checkpoint"]) / "adapters/language"
    )
    assert adapter.settings.rank == 4


def test_a_stage_goes_on_from_the_merged_weights(project: Path, single: dict[str, Path]) -> None:
    out = project / "merged"
    settings = [
        f"--model.checkpoint={single['lora']}",
        "--model.merge_adapters=true",
        "--stage.learn={projector: full, language: full}",
        "--stage.adapters={}",
        "--optim.steps=1",
        f"--out={out}",
    ]
    result = train(load_recipe(project / "lora.yaml", settings))
    assert not checkpoint.load(result.checkpoint).model.adapters
    assert losses(out)[0] < losses(single["lora"])[0]
