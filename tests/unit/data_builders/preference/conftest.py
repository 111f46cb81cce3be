"""Scenes with captions and their records, as for prompted builders; here also their images."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from data_builders.miniworld.painting import paint
from data_builders.prompted.base import Source
from data_builders.scenes import Scene
from tests.unit.data_builders.prompted.conftest import captioned, sources

__all__ = ["captioned", "drawn", "sources"]


@pytest.fixture(scope="session")
def drawn(captioned: list[Scene], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the images of the first scenes."""
    folder = tmp_path_factory.mktemp("images")
    for scene in captioned[:6]:
        Image.fromarray(paint(scene)).save(folder / f"{scene.id}.png")
    return folder


@pytest.fixture
def bare(sources: list[Source]) -> list[Source]:
    """Six scenes without records, whose images are drawn."""
    return [Source(source.scene) for source in sources[:6]]
