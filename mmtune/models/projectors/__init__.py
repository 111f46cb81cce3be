"""Projectors, one file each."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch

from mmtune.models.config import ProjectorConfig
from mmtune.models.projectors.base import Projector, Text
from mmtune.registry import Registry

PROJECTORS: Registry[type[Projector]] = Registry(
    "projector",
    __name__,
    {
        "linear": "linear:LinearProjector",
        "mlp": "mlp:MlpProjector",
        "pixel_shuffle": "pixel_shuffle:PixelShuffleProjector",
        "pool": "pool:PoolProjector",
        "resampler": "resampler:ResamplerProjector",
        "qformer": "qformer:QFormerProjector",
        "instruct_qformer": "instruct_qformer:InstructQFormerProjector",
        "grounded_qformer": "grounded_qformer:GroundedQFormerProjector",
        "c_abstractor": "c_abstractor:CAbstractorProjector",
        "d_abstractor": "d_abstractor:DAbstractorProjector",
        "dynamic_mlp": "dynamic_mlp:DynamicMlpProjector",
        "keep_and_merge": "keep_and_merge:KeepAndMergeProjector",
    },
)


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
    return _find(config.name)(config, vision_width, language_width)


def full_settings(config: ProjectorConfig) -> dict[str, Any]:
    """A projector's own settings with its defaults filled in.

    Raises:
        UserError: as ``build_projector``.
    """
    found: dict[str, Any] = asdict(_find(config.name).own_settings(config))
    return found


def _find(name: str) -> type[Projector]:
    return PROJECTORS.find(name, "model.projector.name")


__all__ = ["PROJECTORS", "Projector", "Text", "build_projector", "full_settings", "new_projector"]
