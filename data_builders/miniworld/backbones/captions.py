"""Captions for contrastive training: true of one scene, and false of every variant of it."""

from __future__ import annotations

import numpy as np

from data_builders.miniworld.describing import cell_of, describe, reading_order
from data_builders.scenes import Scene, SceneObject


def contrastive_caption(scene: Scene, rng: np.random.Generator) -> str:
    """All objects in reading order, each with colour, place, text and sometimes size.

    Every fact that a variant may change is told, so that no caption fits two images of a batch. The order is
    fixed because a decoder would otherwise have to guess which object comes next.
    """
    return ", ".join(_phrase(item, scene, rng) for item in reading_order(scene))


def _phrase(item: SceneObject, scene: Scene, rng: np.random.Generator) -> str:
    return f"{describe(item, size=bool(rng.random() < 0.5))} {cell_of(scene, item)}"
