"""What the tests of checkpoints ask of a model."""

from __future__ import annotations

import torch

from mmtune.models.building import build
from mmtune.models.bundle import Bundle
from tests.unit.models.rows import IMAGE, make_config, make_row

ROW = [[-5, IMAGE, 6, 7], [8, 9, 10]]


def logits(bundle: Bundle) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = bundle.model(make_row(ROW))
    return found


def frozen(backbones: dict[str, str], tower: str = "clip") -> Bundle:
    """A model of which only the projector learns, so that its other parts can be referred to."""
    bundle = build(make_config(backbones, tower), template="plain")
    bundle.model.set_trainable("vision", False)
    bundle.model.set_trainable("language", False)
    return bundle
