"""A small run for comparing engines, and the launch of two processes that repeat it."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmtune.data.mixture import Mixture
from mmtune.train.loop import train
from mmtune.train.recipe import load_recipe
from tests import processes
from tests.tiny_run import write_recipe, write_records

STEPS, BATCH, RECORDS, TEXT_STEP = 4, 5, 20, 2
ROOT = Path(__file__).resolve().parents[1]


def write_project(folder: Path, **settings: Any) -> None:
    """Four steps of one record a row: some rows have no image, the third step has none at all."""
    write_recipe(
        folder,
        **settings,
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


def train_alone(project: Path) -> Path:
    """The run folder of one process."""
    train(load_recipe(project / "recipe.yaml", ["--engine.name=single", f"--out={project / 'single'}"]))
    return project / "single"


def launch(
    child: str, project: Path, names: Sequence[str]
) -> tuple[dict[tuple[str, int], dict[str, Any]], subprocess.CompletedProcess[str]]:
    """Let two processes of ``tests/recipe/CHILD`` go through all runs; each must have left its report.

    Returns:
        Reports by (run, rank), and how the launcher ended.
    """
    done = two([str(ROOT / "tests" / "recipe" / child), str(project), *names], project)
    found = {}
    for name in names:
        for rank in (0, 1):
            path = project / f"{name}-rank{rank}.json"
            assert path.exists(), f"{name} left no report\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
            report = json.loads(path.read_text())
            assert "error" not in report, f"{name}, rank {rank}: {report['error']}"
            found[name, rank] = report
    return found, done


def two(words: Sequence[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """``python WORDS`` twice, with the environment that ``torchrun --standalone --nproc-per-node 2`` gives.

    As torchrun does, this process holds the store where the two meet, and when one fails it ends the other.
    """
    from torch.distributed import TCPStore

    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    shared = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DS_ACCELERATOR": "cpu",
        "OMP_NUM_THREADS": "1",
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(store.port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
    }
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        ranks = [
            processes.start(
                words, cwd=cwd, env={**shared, "RANK": rank, "LOCAL_RANK": rank}, output=out, errors=err
            )
            for rank in ("0", "1")
        ]
        deadline = time.monotonic() + 900
        while any(rank.poll() is None for rank in ranks):
            if any(rank.poll() for rank in ranks) or time.monotonic() > deadline:
                time.sleep(1)  # the other may be about to say why it fails, too
                for rank in ranks:
                    rank.kill()
            time.sleep(0.02)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    status = next((rank.returncode for rank in ranks if rank.returncode), 0)
    return subprocess.CompletedProcess(list(words), status, *texts)
