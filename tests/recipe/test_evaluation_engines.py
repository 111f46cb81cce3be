"""Two real processes with each engine ask a benchmark in mid-run, and learn as if they had not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from eval.runner import run as evaluate
from eval.tasks import parse_task
from tests.tiny_run import losses, write_pope
from tests.two_processes import STEPS, launch, write_project

RUNS = ("ddp-fp32", "fsdp2-fp32", "zero2-fp32", "zero3-fp32", "fsdp2-bf16", "zero3-bf16")
SHARDED = [name for name in RUNS if name.startswith(("fsdp2", "zero3"))]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluation")
    write_project(folder, eval__every=2)
    recipe = folder / "recipe.yaml"
    task = write_pope(folder, folder)
    recipe.write_text(recipe.read_text().replace("every: 2", f"every: 2\n  tasks: ['{task}']"))
    return folder


@pytest.fixture(scope="module")
def reports(project: Path) -> dict[tuple[str, int], dict[str, Any]]:
    found, done = launch("evaluation_child.py", project, RUNS)
    assert done.returncode == 0, done.stderr[-3000:]
    return found


@pytest.mark.parametrize("name", RUNS)
def test_training_notices_nothing(
    name: str, project: Path, reports: dict[tuple[str, int], dict[str, Any]]
) -> None:
    assert losses(project / name) == losses(project / f"{name}-plain")
    assert len(losses(project / name)) == STEPS


@pytest.mark.parametrize("name", RUNS)
def test_answers_are_those_of_the_checkpoint(
    name: str, project: Path, reports: dict[tuple[str, int], dict[str, Any]], tmp_path: Path
) -> None:
    items = 2 * len(list(project.glob("*.png")))
    points = points_of(project / name)
    assert [(row["step"], row["n"], row["of"]) for row in points] == [
        (step, items, items) for step in (0, 2, 4)
    ]
    answered = predictions(project / name / "eval" / "step-000004")
    assert len(answered) == items > 20
    if name.endswith("bf16"):  # the checkpoint has the float32 masters
        return
    task = parse_task(write_pope(tmp_path, project))
    evaluate(reports[name, 0]["checkpoint"], [task], tmp_path / "eval", blind=False)
    assert answered == predictions(tmp_path / "eval")


@pytest.mark.parametrize("name", SHARDED)
def test_every_rank_answers_with_all_weights(
    name: str, project: Path, reports: dict[tuple[str, int], dict[str, Any]]
) -> None:
    """The engine holds a part; what is asked, three times a run, is whole."""
    for rank in (0, 1):
        held = reports[name, rank]["held"]
        assert len(held) == 3 and len(set(held)) == 1
        assert held[0] > 1.5 * reports_held(reports[name, 0]["checkpoint"])


def test_what_fails_on_one_rank_holds_up_none(
    project: Path, reports: dict[tuple[str, int], dict[str, Any]]
) -> None:
    assert [row["step"] for row in points_of(project / "broken")] == [0, 4]
    assert losses(project / "broken") == losses(project / "ddp-fp32")
    log = (project / "broken" / "log.txt").read_text()
    assert "ZeroDivisionError: on one rank" in log and "without the scores of step 2" in log


def reports_held(folder: str) -> int:
    """Numbers that the engine held on rank 0, as the checkpoint says."""
    from mmtune.models.checkpoint import read_manifest

    found: int = read_manifest(folder)["training"]["engine"]["parameters_held"]
    return found


def points_of(out: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (out / "evals.jsonl").read_text().splitlines()]
    return [row for row in rows if row["task"] == "pope_random"]


def predictions(folder: Path) -> list[str]:
    return [
        json.loads(line)["prediction"] for line in (folder / "predictions.jsonl").read_text().splitlines()
    ]
