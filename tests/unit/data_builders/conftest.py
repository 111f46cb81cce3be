"""Scenes that the tests of this room share."""

from __future__ import annotations

import pytest

from data_builders.miniworld.world import World
from data_builders.scenes import Scene


@pytest.fixture(scope="session")
def scenes() -> list[Scene]:
    """The first 150 scenes of the training split."""
    world = World(split="train", seed=5)
    return [world.scene(index) for index in range(150)]
