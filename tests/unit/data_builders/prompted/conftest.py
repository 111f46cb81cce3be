"""Scenes with captions, text and images, for builders that need them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from data_builders.draws import Draws
from data_builders.miniworld.captions import coco_captions
from data_builders.miniworld.world import World
from data_builders.prompted.base import Source
from data_builders.prompted.offline import pairs_of
from data_builders.scenes import Scene
from mmtune.records import ImageRef, Record, Turn


@pytest.fixture(scope="session")
def captioned() -> list[Scene]:
    """Thirty scenes of miniworld with captions."""
    world, found = World(split="train", seed=3), []
    for index in range(30):
        scene = world.scene(index)
        captions = coco_captions(scene, Draws(0, index))
        found.append(replace(scene, captions=captions, image=ImageRef(f"{scene.id}.png")))
    return found


@pytest.fixture(scope="session")
def sources(captioned: list[Scene]) -> list[Source]:
    """The scenes, each with a record of one question about it."""
    found = []
    for scene in captioned:
        ((question, answer),) = pairs_of(scene, most=1)
        turns = (Turn("user", f"<image>\n{question}"), Turn("assistant", answer))
        found.append(Source(scene, Record(scene.id, turns, (ImageRef(f"{scene.id}.png"),))))
    return found
