"""The model that a recipe describes."""

from __future__ import annotations

from mmtune.models.bundle import Bundle, reference_to
from mmtune.models.checkpoint import start_from
from mmtune.models.config import ModelConfig
from mmtune.models.language import load_language
from mmtune.models.policy import fit_policy
from mmtune.models.projectors import build_projector
from mmtune.models.vision import build_vision
from mmtune.models.vlm import VisionLanguageModel


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
