"""What every test stands on: no network, one thread, seeds that do not move."""

from __future__ import annotations

import gc
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

# Set before anything of torch, transformers or open_clip is imported, and handed on to child processes.
for _name, _value in {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "DS_ACCELERATOR": "cpu",
    "MPLBACKEND": "Agg",
    "PYTHONHASHSEED": "0",
}.items():
    os.environ[_name] = _value

import pytest  # noqa: E402

from tests import processes  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]

UNTRACED = (
    "tests/recipe",
    "tests/reference",
    "tests/server",
    "tests/unit/data_builders/programs/test_building.py",
    "tests/unit/data_builders/test_questions.py",
    "tests/unit/models/convert/test_renaming.py",
    "tests/unit/models/test_towers.py",
    "tests/unit/templates/test_properties.py",
)
"""Tests that run the same lines again and again. Before Python 3.12 coverage makes them up to three times as
slow, so it looks away: what it prints is that of the other unit tests."""


def pytest_configure(config: pytest.Config) -> None:
    """Before any process that tests is started: the one that forks what they start."""
    if not hasattr(config, "workerinput"):
        config.add_cleanup(processes.offer())


SLOW = ("recipe", "server")
"""Folders of tests that share long preparations."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let every process begin with slow files of its own and end with quick tests, which others can take over.

    xdist gives each process a stretch of the list, and idle ones take from the end of the longest stretch:
    taken from a slow file, a fixture of a minute would be made twice.
    """
    processes_left = getattr(config, "workerinput", {}).get("workercount", 1)
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    slow = [found for path, found in files.items() if path.parent.name in SLOW]
    quick = [item for path, found in files.items() if path.parent.name not in SLOW for item in found]
    if not quick or processes_left == 1:
        return
    ordered: list[pytest.Item] = []
    for number in range(processes_left):
        own = [item for found in slow[number::processes_left] for item in found]
        more = max(0, (len(items) - len(ordered)) // (processes_left - number) - len(own))
        ordered += own + quick[:more]
        del quick[:more]
    items[:] = ordered + quick


def pytest_collection_finish() -> None:
    """Spare the collector of garbage the millions of objects that the libraries have and never let go."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Run a test, unseen by coverage where it is one of ``UNTRACED``."""
    place = item.path.relative_to(ROOT).as_posix() if item.path.is_relative_to(ROOT) else ""
    coverage = sys.modules.get("coverage")
    tracer = coverage.Coverage.current() if coverage and place.startswith(UNTRACED) else None
    if tracer is not None:
        tracer.stop()
    try:
        return (yield)
    finally:
        if tracer is not None:
            tracer.start()


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's root folder."""
    return ROOT


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of the reference vectors that the tests carry with them."""
    return ROOT / "tests" / "golden"


@pytest.fixture(autouse=True, scope="session")
def _one_torch_thread() -> None:
    """The same sums in the same order on every machine, and no fight over two cores."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Every test starts from the same random state, so that none depends on which ran before it."""
    import numpy as np
    import torch

    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture
def user_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, so that nothing is read from or left in the checkout."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
