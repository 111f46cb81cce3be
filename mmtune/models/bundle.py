"""A model with everything that belongs to it: tokenizer, template, image policy, settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmtune.images.policies import ImagePolicy
from mmtune.models.config import BETWEEN_NAMES, ModelConfig
from mmtune.models.language import load_language
from mmtune.models.policy import fit_policy
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
    policy = fit_policy(config.image_policy, config.images, vision, projector, seed=seed)
    model = VisionLanguageModel(vision, projector, language, policy, config.language.attention)
    references = {
        "vision": reference_to(config.vision.source),
        "language": reference_to(config.language.name),
    }
    if config.language.add_tokens:
        del references["language"]  # its embeddings are not those of the backbone any more
    return Bundle(model, tokenizer, template, policy, config, references=references)


def reference_to(name: str) -> Reference:
    """A reference to a folder or hub name, or to several, with the folders' places as they are now."""
    folders = []
    for one in name.split(BETWEEN_NAMES):
        folder = Path(one.removeprefix(PREFIX)).expanduser()
        if not folder.is_dir():
            return Reference(name)
        folders.append((PREFIX if one.startswith(PREFIX) else "") + str(folder.resolve()))
    return Reference(name, BETWEEN_NAMES.join(folders))
