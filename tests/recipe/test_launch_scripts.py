"""The scripts for GPU machines hand the right words to the launcher; a stand-in launcher writes them down."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """A folder of stand-ins for torchrun, deepspeed and scontrol that print their words."""
    for name in ("torchrun", "deepspeed"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho {name} "$@"\n')
    (tmp_path / "scontrol").write_text("#!/bin/sh\nprintf 'node7\\nnode8\\n'\n")
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\nexit 0\n")
    for file in tmp_path.iterdir():
        file.chmod(0o755)
    return tmp_path


def run(
    root: Path, commands: Path, stage: str, *words: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    base = {"PATH": f"{commands}:/usr/bin:/bin", "HOME": os.environ.get("HOME", "/"), "DATA": "/data"}
    return subprocess.run(
        ["bash", str(root / f"scripts/llava15_{stage}.sh"), *words],
        env=base | environment,
        capture_output=True,
        text=True,
        cwd="/",
    )


@pytest.mark.parametrize("stage", ["align", "tune"])
def test_one_machine(root: Path, commands: Path, stage: str) -> None:
    done = run(root, commands, stage, "--optim.lr", "1e-4", GPUS="8")
    assert done.returncode == 0, done.stderr
    words = done.stdout.split()
    assert words[0] == "torchrun"
    assert words[words.index("--nproc-per-node") + 1] == "8"
    assert words[words.index("--nnodes") + 1] == "1"
    start = words.index("-m")
    assert words[start:] == [
        "-m",
        "mmtune.cli",
        "train",
        f"recipes/llava15/7b-{stage}.yaml",
        "--optim.lr",
        "1e-4",
    ]
    assert (root / f"recipes/llava15/7b-{stage}.yaml").is_file()


def test_several_machines(root: Path, commands: Path) -> None:
    done = run(root, commands, "tune", GPUS="8", NNODES="2", NODE_RANK="1", MASTER_ADDR="node0")
    words = done.stdout.split()
    assert words[words.index("--node-rank") + 1] == "1"
    assert words[words.index("--master-addr") + 1] == "node0"
    lost = run(root, commands, "tune", GPUS="8", NNODES="2")
    assert (lost.returncode, "MASTER_ADDR" in lost.stderr) == (2, True)


def test_slurm(root: Path, commands: Path) -> None:
    done = run(
        root, commands, "tune", GPUS="4", SLURM_NNODES="2", SLURM_NODEID="1", SLURM_JOB_NODELIST="node[7-8]"
    )
    words = done.stdout.split()
    assert words[words.index("--nnodes") + 1] == "2"
    assert words[words.index("--node-rank") + 1] == "1"
    assert words[words.index("--master-addr") + 1] == "node7"


def test_deepspeed(root: Path, commands: Path) -> None:
    done = run(root, commands, "align", GPUS="8", LAUNCHER="deepspeed", HOSTFILE="hosts")
    words = done.stdout.split()
    assert words[:4] == ["deepspeed", "--hostfile", "hosts", "--no_local_rank"]
    assert words[words.index("--module") :] == [
        "--module",
        "mmtune.cli",
        "train",
        "recipes/llava15/7b-align.yaml",
    ]


def test_what_is_missing_is_said(root: Path, commands: Path) -> None:
    none = run(root, commands, "align")
    assert (none.returncode, "export GPUS=N" in none.stderr) == (2, True)
    undirected = run(root, commands, "align", GPUS="8", DATA="")
    assert undirected.returncode != 0
    assert "DATA" in undirected.stderr
