"""``config.json`` of original LLaVA: the language model's keys and LLaVA's own ones in one mapping."""

from __future__ import annotations

import ast
import logging
import re
from typing import Any

from mmtune.errors import UserError
from mmtune.images.settings import ImagesConfig
from mmtune.models.config import ProjectorConfig

log = logging.getLogger(__name__)

Json = dict[str, Any]

FAMILIES = {
    "llava": "llama",
    "llava_llama": "llama",
    "llava_mistral": "mistral",
    "llava_qwen": "qwen2",
    "llava_mixtral": "mixtral",
    "llava_gemma": "gemma",
}
"""``model_type`` of LLaVA's classes and the language model that they extend."""

CLASSES = {
    "llama": ("llava_llama", "LlavaLlamaForCausalLM"),
    "mistral": ("llava_mistral", "LlavaMistralForCausalLM"),
    "qwen2": ("llava_qwen", "LlavaQwenForCausalLM"),
    "mixtral": ("llava_mixtral", "LlavaMixtralForCausalLM"),
    "gemma": ("llava_gemma", "LlavaGemmaForCausalLM"),
}
"""Language models that LLaVA (or LLaVA-NeXT) has a class for: ``model_type`` and name of the class."""

_OWN = re.compile(r"(mm_|image_|tune_|freeze_mm|unfreeze_mm|use_mm_|pretrain_mm|tokenizer_|vision_tower_)")
_MERGES = {"spatial_unpad": "unpad", "flat": "flat"}


def is_original(config: Json) -> bool:
    """Whether this is the configuration of an original LLaVA."""
    return "mm_vision_tower" in config or "mm_projector_type" in config


def language_config(config: Json, where: str) -> Json:
    """The language model's keys alone, under its own ``model_type``.

    Raises:
        UserError: if the language model is of a kind that no LLaVA class is for.
    """
    kind = config.get("model_type")
    if kind not in FAMILIES:
        raise UserError(
            f"an original LLaVA of model_type {kind!r} is not known",
            where,
            f"there are {', '.join(FAMILIES)}",
        )
    kept = {key: value for key, value in config.items() if not _OWN.match(key)}
    kept["model_type"] = FAMILIES[kind]
    if kept.get("rope_scaling") is None:
        kept.pop("rope_scaling", None)
    for key in ("architectures", "_name_or_path", "auto_map", "transformers_version"):
        kept.pop(key, None)
    return kept


def projector_config(config: Json, where: str) -> ProjectorConfig:
    """The projector that the configuration names.

    Raises:
        UserError: if it is of another kind than linear or MLP.
    """
    name = config.get("mm_projector_type", "linear")
    if name == "linear":
        return ProjectorConfig("linear")
    if match := re.fullmatch(r"mlp(\d+)x_gelu", str(name)):
        return ProjectorConfig("mlp", int(match[1]))
    raise UserError(
        f"a projector of type {name!r} has no counterpart here", where, "linear and mlpNx_gelu have"
    )


def images_config(config: Json, where: str) -> tuple[str, ImagesConfig]:
    """Image policy and its settings.

    Raises:
        UserError: if the images are cut in a way that no policy here makes.
    """
    ratio = config.get("image_aspect_ratio") or "square"
    if ratio in ("square", "pad"):
        return str(ratio), ImagesConfig()
    limited = re.fullmatch(r"anyres(?:_max_(\d+))?", str(ratio))
    merge = _MERGES.get(config.get("mm_patch_merge_type", "flat"))
    if limited is None or merge is None:
        raise UserError(
            f"images cut as {ratio!r}, merged as {config.get('mm_patch_merge_type')!r}, are not supported",
            where,
            "square, pad, anyres and anyres_max_N are, merged as flat or spatial_unpad",
        )
    pinpoints = config.get("image_grid_pinpoints")
    if isinstance(pinpoints, str) and pinpoints.lstrip().startswith("["):
        pinpoints = ast.literal_eval(pinpoints)
    settings = ImagesConfig(
        pinpoints=pinpoints,
        max_views=int(limited[1]) if limited[1] else None,
        merge="unpad" if merge == "unpad" else "flat",
    )
    return ("anyres_max_9" if limited[1] == "9" else "anyres"), settings


def check_prompts(config: Json, where: str) -> None:
    """Refuse what changes visual tokens, and warn of what changes prompts, in ways that nothing here does.

    Raises:
        UserError: if visual tokens go through a resampler behind the tower.
    """
    resampler = config.get("mm_resampler_type")
    if resampler not in (None, "identity"):
        raise UserError(f"a resampler of type {resampler!r} has no counterpart here", where)
    if config.get("mm_use_im_start_end"):
        log.warning(
            "%s: the model was trained with <im_start> and <im_end> around images, which no template writes: "
            "its answers may be worse here",
            where,
        )


def select_of(config: Json) -> tuple[int, str]:
    """Layer and kind of the tower's features that are read."""
    return int(config.get("mm_vision_select_layer", -2)), str(config.get("mm_vision_select_feature", "patch"))
