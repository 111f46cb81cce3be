"""Checkpoints in the naming of the Hub's LLaVA and LLaVA-NeXT (``llava-hf``), in all its generations."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from torch import Tensor

from mmtune.errors import UserError
from mmtune.models.config import ImagesConfig, ProjectorConfig
from mmtune.models.convert.foreign import Foreign, Json, VisionParts
from mmtune.models.convert.original import Given
from mmtune.models.convert.renaming import Rule, in_use, split
from mmtune.models.convert.template_names import likely_template
from mmtune.models.convert.tokens import IMAGE, PAD, without_tokens
from mmtune.models.files import read_json
from mmtune.models.language import load_tokenizer
from mmtune.models.reading import read_weights
from mmtune.models.vision.families import FAMILIES

OWN_KEY = "mmtune"
"""Key of a Hub ``config.json`` under which an export says what it added, so that an import takes it off."""

LEGACY = [
    Rule("multi_modal_projector.linear_1.", "projector", "layers.0."),
    Rule("multi_modal_projector.linear_2.", "projector", "layers.2."),
    Rule("image_newline", "projector", "newline.weight"),
    Rule("vision_tower.vision_model.", "vision", "core."),
    Rule("language_model.lm_head.", "language", "lm_head."),
    Rule("language_model.", "language", ""),
]
"""Names in files of ``llava-hf``, which every version of transformers reads; exports have them."""

IN_MEMORY = [
    Rule("model.multi_modal_projector.linear_1.", "projector", "layers.0."),
    Rule("model.multi_modal_projector.linear_2.", "projector", "layers.2."),
    Rule("model.image_newline", "projector", "newline.weight"),
    Rule("model.vision_tower.vision_model.", "vision", "core."),
    Rule("model.language_model.", "language", "model."),
    Rule("lm_head.", "language", "lm_head."),
]
"""Names inside transformers 4.52 to 5.5, which it also writes when asked not to keep a file's own."""

LATER = [
    Rule("vision_tower.", "vision", "core."),
    Rule("model.vision_tower.", "vision", "core."),
]
"""transformers 5.6 and later drop a level of the tower's names, in memory and in files of new models."""

RULES = [*LEGACY, *IN_MEMORY, *LATER]
"""All generations; no name means one thing in one of them and another thing in another."""


def names_for(vision: Json) -> list[Rule]:
    """Names that an export gives tensors, by the tower's ``config.json``.

    Files of CLIP and SigLIP have a level ``vision_model`` in them, those of DINOv2 never had one.
    """
    if vision["model_type"] != "dinov2":
        return LEGACY
    return [rule for rule in LEGACY if rule.part != "vision"] + LATER[:1]


MODELS = {"llava": "LLaVA", "llava_next": "LLaVA-NeXT"}
_EMBEDDINGS = ("embed_tokens.weight", "lm_head.weight", "lm_head.bias", "wte.weight")
_SELECTS = {"default": "patch", "full": "cls_patch"}


def is_hub(config: Json) -> bool:
    """Whether this is the configuration of a Hub LLaVA or LLaVA-NeXT."""
    return config.get("model_type") in MODELS and "text_config" in config


def read_hub(folder: Path, given: Given) -> Foreign:
    """A model in the Hub's naming, of any generation.

    Args:
        folder: with ``config.json``, weights, tokenizer and processor.
        given: ``template`` and ``image_policy`` in place of what the processor says.

    Raises:
        UserError: if something is missing, damaged or of a kind that is not known.
    """
    config = read_json(str(folder), "config.json") or {}
    if not is_hub(config):
        raise UserError(
            f"config.json is of model_type {config.get('model_type')!r}, not of a Hub LLaVA or LLaVA-NeXT",
            str(folder),
            "give a llava or llava_next checkpoint, or another --naming",
        )
    own = config.get(OWN_KEY) or {}
    vision = _vision(config, folder)
    policy, images = _images(config, folder, own)
    tokenizer = load_tokenizer(str(folder))
    rows = _language_rows(config, own, tokenizer)
    tokenizer = without_tokens(tokenizer, _added(own, tokenizer, rows))
    language = {**config["text_config"]}
    language.setdefault("model_type", "llama")
    if "tie_word_embeddings" not in language:
        language["tie_word_embeddings"] = bool(config.get("tie_word_embeddings", False))
    tensors = read_weights(folder)
    weights, unknown = split(tensors, RULES)
    spoken = weights.get("language", {})
    if rows is not None and _as_told(spoken, language):
        language["vocab_size"] = rows
        weights["language"] = _cut(spoken, rows)
    if "pad_token_id" in language and (language["pad_token_id"] or 0) >= language.get("vocab_size", 1 << 62):
        language["pad_token_id"] = None
    # The processor's own goes before the tokenizer's, which may be that of the language model before LLaVA.
    jinja = _chat_template(folder) or tokenizer.chat_template
    return Foreign(
        source=folder,
        naming=f"hub {MODELS[config['model_type']]}",
        vision=vision,
        language=language,
        generation=_generation(folder, tokenizer),
        tokenizer=tokenizer,
        projector=ProjectorConfig("mlp", 2),
        image_policy=given.image_policy or policy,
        images=images,
        template=given.template
        or own.get("template")
        or likely_template(language["model_type"], tokenizer, jinja),
        weights=weights,
        unknown=unknown,
        rules=in_use(tensors, RULES, names_for(vision.config)),
        notes={key: own[key] for key in ("tower", "mm_vision_tower") if key in own},
    )


def _vision(config: Json, folder: Path) -> VisionParts:
    settings = {**config["vision_config"]}
    settings.setdefault("model_type", "clip_vision_model")
    layer = config.get("vision_feature_layer", -2)
    if not isinstance(layer, int):
        raise UserError(
            f"features of several layers ({layer}) are read, which no tower here does", str(folder)
        )
    strategy = config.get("vision_feature_select_strategy", "default")
    family = FAMILIES.get(settings["model_type"])
    if family is not None and family.registers(SimpleNamespace(**settings)):
        raise UserError(
            "the Hub's LLaVA reads the registers of this tower as if they were patches, which none here does",
            str(folder),
        )
    # "full" of a tower without a class token is all that it has: its patches.
    select = _SELECTS.get(strategy, "patch") if family is not None and family.class_token else "patch"
    return VisionParts(str(folder), settings, _processor(folder), layer, select)


def _processor(folder: Path) -> Json | None:
    nested = (read_json(str(folder), "processor_config.json") or {}).get("image_processor")
    return read_json(str(folder), "preprocessor_config.json") or nested


def _images(config: Json, folder: Path, own: Json) -> tuple[str, ImagesConfig]:
    """Image policy and settings, as the checkpoint's own image processor has them."""
    settings = _processor(folder) or {}
    if config["model_type"] == "llava":
        padded = str(settings.get("image_processor_type", "")).startswith("LlavaImageProcessor")
        return ("pad" if padded and settings.get("do_pad") else "square"), ImagesConfig()
    points = config.get("image_grid_pinpoints") or settings.get("image_grid_pinpoints")
    # The published ones were converted from original LLaVA with its list as it was, which is (width, height);
    # the Hub's class takes the same numbers for (height, width), which is how an export of ours is written.
    if points and own:
        points = [[width, height] for height, width in points]
    return "anyres", ImagesConfig(pinpoints=points, merge="unpad")


def _language_rows(config: Json, own: Json, tokenizer: Any) -> int | None:
    """Rows of embeddings before the Hub's tokens were added; None where they took no new ones."""
    if "language_rows" in own:
        return int(own["language_rows"])
    index = config.get("image_token_index", config.get("image_token_id"))
    if index is None or tokenizer.convert_ids_to_tokens(index) != IMAGE:
        return None
    later = {token for token, number in tokenizer.get_vocab().items() if number >= index}
    return int(index) if later <= {IMAGE, PAD} else None


def _added(own: Json, tokenizer: Any, rows: int | None) -> list[str]:
    """The Hub's tokens that came to a tokenizer; Gemma's ``<pad>`` was always there."""
    if "added_tokens" in own:
        return list(own["added_tokens"])
    ids = tokenizer.get_vocab()
    return [token for token in (IMAGE, PAD) if rows is not None and ids.get(token, -1) >= rows]


def _as_told(tensors: dict[str, Tensor], language: Json) -> bool:
    """Whether the embeddings have as many rows as ``config.json`` says; if not, nothing is cut off."""
    told = language.get("vocab_size")
    found = {t.shape[0] for name, t in tensors.items() if name.endswith(_EMBEDDINGS)}
    return told is None or not found or found == {told}


def _cut(tensors: dict[str, Tensor], rows: int) -> dict[str, Tensor]:
    """Take the rows of added tokens off embeddings and head."""
    return {n: t[:rows] if n.endswith(_EMBEDDINGS) and t.shape[0] > rows else t for n, t in tensors.items()}


def _generation(folder: Path, tokenizer: Any) -> Json | None:
    settings = read_json(str(folder), "generation_config.json")
    if settings is not None and settings.get("pad_token_id") is not None:
        settings = {**settings, "pad_token_id": tokenizer.pad_token_id}
    return settings


def _chat_template(folder: Path) -> str | None:
    """The chat template that stands beside the processor, in either spelling."""
    if (folder / "chat_template.jinja").is_file():
        return (folder / "chat_template.jinja").read_text(encoding="utf-8")
    return (read_json(str(folder), "chat_template.json") or {}).get("chat_template")


__all__ = ["OWN_KEY", "RULES", "is_hub", "names_for", "read_hub"]
