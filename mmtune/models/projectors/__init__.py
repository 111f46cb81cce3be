"""Projectors, one file each."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch

from mmtune.errors import unknown
from mmtune.models.config import ProjectorConfig
from mmtune.models.projectors.base import Projector, Text
from mmtune.models.projectors.c_abstractor import CAbstractorProjector
from mmtune.models.projectors.d_abstractor import DAbstractorProjector
from mmtune.models.projectors.dynamic_mlp import DynamicMlpProjector
from mmtune.models.projectors.grounded_qformer import GroundedQFormerProjector
from mmtune.models.projectors.instruct_qformer import InstructQFormerProjector
from mmtune.models.projectors.keep_and_merge import KeepAndMergeProjector
from mmtune.models.projectors.linear import LinearProjector
from mmtune.models.projectors.mlp import MlpProjector
from mmtune.models.projectors.pixel_shuffle import PixelShuffleProjector
from mmtune.models.projectors.pool import PoolProjector
from mmtune.models.projectors.qformer import QFormerProjector
from mmtune.models.projectors.resampler import ResamplerProjector
from mmtune.models.projectors.settings import read_settings

PROJECTORS: dict[str, type[Projector]] = {
    "linear": LinearProjector,
    "mlp": MlpProjector,
    "pixel_shuffle": PixelShuffleProjector,
    "pool": PoolProjector,
    "resampler": ResamplerProjector,
    "qformer": QFormerProjector,
    "instruct_qformer": InstructQFormerProjector,
    "grounded_qformer": GroundedQFormerProjector,
    "c_abstractor": CAbstractorProjector,
    "d_abstractor": DAbstractorProjector,
    "dynamic_mlp": DynamicMlpProjector,
    "keep_and_merge": KeepAndMergeProjector,
}


def build_projector(
    config: ProjectorConfig, vision_width: int, language_width: int, *, seed: int = 0, meta: bool = False
) -> Projector:
    """A fresh projector, its initial weights the same for the same seed.

    Args:
        config: name and settings.
        vision_width: channels of a visual feature.
        language_width: channels of the language model's embeddings.
        seed: of the initial weights; the global random state is left as it was.
        meta: build on the meta device.

    Raises:
        UserError: if there is no such projector or it has no such setting; names the nearest one.
    """
    with torch.random.fork_rng(devices=[]), torch.device("meta" if meta else "cpu"):
        torch.default_generator.manual_seed(seed)  # the CPU generator only, which fork_rng restores
        return new_projector(config, vision_width, language_width)


def new_projector(config: ProjectorConfig, vision_width: int, language_width: int) -> Projector:
    """A projector with the device and the random numbers of the moment, for a wrapper that holds another.

    Raises:
        UserError: as ``build_projector``.
    """
    return _class_of(config.name)(config, vision_width, language_width)


def full_settings(config: ProjectorConfig) -> dict[str, Any]:
    """A projector's own settings with its defaults filled in.

    Raises:
        UserError: as ``build_projector``.
    """
    settings: Any = read_settings(_class_of(config.name).Settings, config.settings)
    return asdict(settings)


def _class_of(name: str) -> type[Projector]:
    if name not in PROJECTORS:
        raise unknown("projector", name, PROJECTORS, "model.projector.name")
    return PROJECTORS[name]


__all__ = ["PROJECTORS", "Projector", "Text", "build_projector", "full_settings", "new_projector"]
