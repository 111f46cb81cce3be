"""A model with everything that belongs to it: tokenizer, template, image policy, settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmtune.images.policies import ImagePolicy
from mmtune.models.config import BETWEEN_NAMES, ModelConfig, split_library
from mmtune.models.vlm import VisionLanguageModel


@dataclass(frozen=True)
class Reference:
    """Where unchanged weights of a part came from, so that a checkpoint may leave them out."""

    name: str
    """Folder or hub name as the recipe gave it."""
    folder: str | None = None
    """The folder's absolute path, if it was one."""
    sha256: str | None = None
    """Over the weight files; computed when a checkpoint comes to depend on it."""


@dataclass
class Bundle:
    """What training, decoding and checkpoints pass around."""

    model: VisionLanguageModel
    """The composed model."""
    tokenizer: Any
    """The language model's tokenizer."""
    template: str
    """Name of the chat template."""
    policy: ImagePolicy
    """The image policy, the same object as ``model.policy``."""
    config: ModelConfig
    """Settings with every part filled in."""
    source: Path | None = None
    """The checkpoint that the weights come from."""
    references: dict[str, Reference] = field(default_factory=dict)
    """Where the unchanged weights of parts are, by part."""


def reference_to(name: str) -> Reference:
    """A reference to a folder or hub name, or to several, with the folders' places as they are now."""
    folders = []
    for one in name.split(BETWEEN_NAMES):
        _, place = split_library(one)
        folder = Path(place).expanduser()
        if not folder.is_dir():
            return Reference(name)
        folders.append(one.removesuffix(place) + str(folder.resolve()))
    return Reference(name, BETWEEN_NAMES.join(folders))
