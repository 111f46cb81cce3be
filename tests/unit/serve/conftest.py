"""One tiny checkpoint and one photograph for all tests of serving."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny_checkpoint import tiny_checkpoint
from tests.unit.decode.conftest import photo


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("serve"))


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """An image outside the working folder, with a space in its name."""
    file = tmp_path / "my photo.png"
    photo(1).save(file)
    return file
