from __future__ import annotations

from pathlib import Path

import pytest

from mmtune.models.building import build
from mmtune.models.bundle import Bundle
from mmtune.train.recipe import load_recipe
from mmtune.train.settings import Recipe
from tests.tiny_run import write_recipe


@pytest.fixture(scope="session")
def tiny_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with tiny models, records and ``recipe.yaml``; read only."""
    folder = tmp_path_factory.mktemp("project")
    write_recipe(folder)
    return folder


@pytest.fixture
def recipe(tiny_project: Path, tmp_path: Path) -> Recipe:
    """The tiny recipe with a run folder of its own."""
    return load_recipe(tiny_project / "recipe.yaml", [f"--out={tmp_path / 'out'}"])


@pytest.fixture
def bundle(recipe: Recipe) -> Bundle:
    """The tiny model."""
    return build(recipe.model, template=recipe.template, seed=0)
