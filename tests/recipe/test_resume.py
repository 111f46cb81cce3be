"""A run that is interrupted and killed ends with the losses of one that never was, bit for bit."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from mmtune.train.loop import train
from mmtune.train.recipe import load_recipe
from tests import processes
from tests.tiny_run import losses, write_recipe

STEPS = 14
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def recipe_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recipe(
        tmp_path_factory.mktemp("resume"),
        optim__steps=STEPS,
        data__validation_fraction=0.2,
        data__workers=1,
        validation__every=2,
        data__row_tokens=4096,
        checkpoint__every=3,
    )


def struck(
    recipe_file: Path, out: Path, number: signal.Signals, step: int, delay_ms: float
) -> subprocess.CompletedProcess[str]:
    """``mmtune train`` in a process of its own, which gets a signal soon after its ``step``-th step began."""
    child = Path(__file__).with_name("killed_child.py")
    aim = [str(int(number)), str(step), str(delay_ms)]
    return processes.run(
        [str(child), *aim, "train", str(recipe_file), f"--out={out}"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        timeout=300,
    )


def test_killed_and_resumed_is_bit_for_bit_the_same(recipe_file: Path, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    train(load_recipe(recipe_file, [f"--out={whole}"]))
    expected = losses(whole)
    assert len(expected) == STEPS

    interrupted = struck(recipe_file, broken, signal.SIGINT, step=2, delay_ms=0)
    assert interrupted.returncode == 130, interrupted.stderr
    assert "the same command goes on from" in interrupted.stderr
    assert "Traceback" not in interrupted.stderr

    chance = random.Random(time.time_ns())
    step, delay_ms = chance.randrange(1, STEPS - 8), chance.uniform(0, 60)
    killed = struck(recipe_file, broken, signal.SIGKILL, step, delay_ms)
    assert killed.returncode == -signal.SIGKILL, killed.stderr

    result = train(load_recipe(recipe_file, [f"--out={broken}"]))
    assert (result.step, result.interrupted) == (STEPS, False)
    assert losses(broken) == expected, f"killed {delay_ms} ms after step {step} of the second run began"
    assert not list((broken / "checkpoints").glob(".*"))
