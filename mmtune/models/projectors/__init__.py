"""Projectors, one file each."""

from __future__ import annotations

import torch

from mmtune.errors import unknown
from mmtune.models.config import ProjectorConfig
from mmtune.models.projectors.base import Projector
from mmtune.models.projectors.linear import LinearProjector
from mmtune.models.projectors.mlp import MlpProjector

PROJECTORS: dict[str, type[Projector]] = {"linear": LinearProjector, "mlp": MlpProjector}


def build_projector(
    config: ProjectorConfig, vision_width: int, language_width: int, *, seed: int = 0, meta: bool = False
) -> Projector:
    """A fresh projector with torch's default initialisation, the same for the same seed.

    Args:
        config: name and settings.
        vision_width: channels of a visual feature.
        language_width: channels of the language model's embeddings.
        seed: of the initial weights; the global random state is left as it was.
        meta: build on the meta device.

    Raises:
        UserError: if there is no such projector; names the nearest one.
    """
    if config.name not in PROJECTORS:
        raise unknown("projector", config.name, PROJECTORS, "model.projector.name")
    with torch.random.fork_rng(devices=[]), torch.device("meta" if meta else "cpu"):
        torch.default_generator.manual_seed(seed)  # the CPU generator only, which fork_rng restores
        return PROJECTORS[config.name](config, vision_width, language_width)


__all__ = ["PROJECTORS", "Projector", "build_projector"]
