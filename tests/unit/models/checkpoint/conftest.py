"""A complete checkpoint, and a copy of it to damage."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mmtune.models import checkpoint
from mmtune.models.bundle import Bundle


@pytest.fixture(scope="session")
def saved(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete checkpoint; tests that damage it take ``copy``."""
    folder = tmp_path_factory.mktemp("saved") / "step-7"
    return checkpoint.save(folder, bundle, manifest={"step": 7, "recipe": {"template": "plain"}})


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "copy"))
