"""Scenes that the tests of the programs share."""

from __future__ import annotations

import pytest

from data_builders.miniworld.world import World
from data_builders.programs.inputs import with_masks
from data_builders.scenes import Scene
from mmtune.records import ImageRef


@pytest.fixture(scope="session")
def worlds() -> list[Scene]:
    """64 scenes of miniworld with masks and images."""
    world = World(seed=3)
    scenes = (world.scene(index) for index in range(64))
    return [with_masks(scene).with_image(ImageRef(f"{scene.id}.png")) for scene in scenes]
