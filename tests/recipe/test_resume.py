"""A run that is interrupted and killed ends with the losses of one that never was, bit for bit."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmtune.train.loop import train
from mmtune.train.recipe import load_recipe
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
        checkpoint__every=3,
    )


def started(recipe_file: Path, out: Path) -> subprocess.Popen[str]:
    """``mmtune train`` in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "mmtune", "train", str(recipe_file), f"--out={out}"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def signalled(process: subprocess.Popen[str], out: Path, steps: int, number: signal.Signals) -> str:
    """Send a signal as soon as the run has reported ``steps`` steps; returns what it printed."""
    deadline = time.monotonic() + 240
    while process.poll() is None and time.monotonic() < deadline:
        if (out / "scalars.jsonl").exists() and len(losses(out)) >= steps:
            process.send_signal(number)
            break
        time.sleep(0.002)
    text, _ = process.communicate(timeout=120)
    return text


def test_killed_and_resumed_is_bit_for_bit_the_same(recipe_file: Path, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    train(load_recipe(recipe_file, [f"--out={whole}"]))
    expected = losses(whole)
    assert len(expected) == STEPS

    interrupted = started(recipe_file, broken)
    text = signalled(interrupted, broken, steps=2, number=signal.SIGINT)
    assert interrupted.returncode == 130, text
    assert "the same command goes on from" in text
    assert "Traceback" not in text

    kill_at = random.Random(time.time_ns()).randrange(len(losses(broken)) + 1, STEPS - 2)
    killed = started(recipe_file, broken)
    text = signalled(killed, broken, steps=kill_at, number=signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL, text

    result = train(load_recipe(recipe_file, [f"--out={broken}"]))
    assert (result.step, result.interrupted) == (STEPS, False)
    assert losses(broken) == expected, f"killed at step {kill_at}"
    assert not list((broken / "checkpoints").glob(".*"))
