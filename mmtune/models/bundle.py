"""A model with everything that belongs to it: tokenizer, template, image policy, settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmtune.images.policies import ImagePolicy, get_policy
from mmtune.models.config import ModelConfig
from mmtune.models.language import load_language
from mmtune.models.projectors import build_projector
from mmtune.models.vision import PREFIX, build_vision
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


def build(config: ModelConfig, *, template: str, meta: bool = False, seed: int = 0) -> Bundle:
    """The model that a recipe describes, from backbones or from an earlier stage's checkpoint.

    Args:
        config: the model's settings.
        template: name of the chat template.
        meta: without weights, on the meta device, for a dry run.
        seed: of a fresh projector's weights.

    Raises:
        UserError: if a part is missing, damaged or does not fit.
    """
    if config.checkpoint is not None:
        from mmtune.models.checkpoint import start_from

        return start_from(config, template=template, meta=meta)
    config = config.resolved()
    assert config.vision is not None and config.language is not None
    assert config.projector is not None and config.image_policy is not None
    vision = build_vision(config.vision, meta=meta)
    language, tokenizer = load_language(config.language, meta=meta)
    width = language.get_input_embeddings().embedding_dim
    projector = build_projector(config.projector, vision.width, width, seed=seed, meta=meta)
    policy = get_policy(config.image_policy, vision.geometry, projector.out_tokens(vision.tokens))
    model = VisionLanguageModel(vision, projector, language, policy, config.language.attention)
    references = {
        "vision": reference_to(config.vision.name),
        "language": reference_to(config.language.name),
    }
    return Bundle(model, tokenizer, template, policy, config, references=references)


def reference_to(name: str) -> Reference:
    """A reference to a folder or hub name, with the folder's place as it is now."""
    prefix = PREFIX if name.startswith(PREFIX) else ""
    folder = Path(name.removeprefix(PREFIX)).expanduser()
    return Reference(name, prefix + str(folder.resolve()) if folder.is_dir() else None)
