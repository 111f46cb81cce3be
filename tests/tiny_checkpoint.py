"""A checkpoint of tiny random models, saved as training saves one."""

from __future__ import annotations

from pathlib import Path

from tests import tiny_models


def tiny_checkpoint(folder: Path, *, language: str = "llama", template: str = "vicuna_v1") -> Path:
    """Build tiny backbones, compose them, save a checkpoint, and return its folder."""
    from mmtune.models.building import build
    from mmtune.models.checkpoint import save
    from mmtune.models.config import LanguageConfig, ModelConfig, ProjectorConfig, VisionConfig

    config = ModelConfig(
        vision=VisionConfig(name=str(tiny_models.tiny_clip(folder / "clip"))),
        projector=ProjectorConfig(),
        language=LanguageConfig(name=str(tiny_models.LANGUAGE_MODELS[language](folder / language))),
    )
    return save(folder / "checkpoint", build(config, template=template, seed=0))
