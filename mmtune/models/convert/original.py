"""Checkpoints of original LLaVA (haotian-liu/LLaVA, LLaVA-NeXT): a full model, a projector alone, a LoRA."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from mmtune.errors import UserError
from mmtune.models.bundle import reference_to
from mmtune.models.config import ImagesConfig, ProjectorConfig
from mmtune.models.convert import llava_config
from mmtune.models.convert.foreign import Foreign, Json, VisionParts
from mmtune.models.convert.renaming import Rule, split
from mmtune.models.convert.template_names import likely_template
from mmtune.models.convert.tower_files import located, tower_config, tower_preprocessor, tower_weights
from mmtune.models.files import read_json, weight_files
from mmtune.models.language import load_tokenizer
from mmtune.models.reading import has_weights, read_file, read_weights

log = logging.getLogger(__name__)

PROJECTOR_FILE = "mm_projector.bin"
NON_LORA_FILE = "non_lora_trainables.bin"
LORA_PREFIX = "base_model.model."

_PROJECTORS = {"linear": "linear.", "mlp": "layers."}


@dataclass(frozen=True)
class Given:
    """What the user says about a checkpoint that does not say it itself."""

    base: str | None = None
    """The model that a LoRA was made for."""
    vision: str | None = None
    language: str | None = None
    template: str | None = None
    image_policy: str | None = None


def rules(projector: str) -> list[Rule]:
    """Names of original LLaVA, for a projector of this kind."""
    return [
        Rule("model.mm_projector.", "projector", _PROJECTORS[projector]),
        Rule("model.image_newline", "projector", "newline.weight"),
        Rule("model.vision_tower.vision_tower.vision_model.", "vision", "core."),
        Rule("model.", "language", "model."),
        Rule("lm_head.", "language", "lm_head."),
    ]


def read_original(folder: Path, given: Given) -> Foreign:
    """A full model in original naming.

    Args:
        folder: with ``config.json``, the weights and the tokenizer.
        given: ``vision`` in place of ``mm_vision_tower``; ``template``, ``image_policy`` in place of guesses.

    Raises:
        UserError: if something is missing, damaged or of a kind that is not known.
    """
    config = _config(folder)
    foreign = describe(folder, config, given, _tokenizer(folder))
    foreign.rules = rules(foreign.projector.name)
    foreign.weights, foreign.unknown = split(read_weights(folder), foreign.rules)
    return with_tower(foreign, config)


def _tokenizer(folder: Path) -> Any:
    """The checkpoint's tokenizer; transformers is not to complain that it knows no ``llava_llama``."""
    from transformers.utils import logging as theirs

    verbosity = theirs.get_verbosity()
    theirs.set_verbosity_error()
    try:
        return load_tokenizer(str(folder))
    finally:
        theirs.set_verbosity(verbosity)


def _config(folder: Path) -> Json:
    config = read_json(str(folder), "config.json")
    if config is None:
        raise UserError("the folder has no config.json", str(folder), "give the checkpoint's own folder")
    if not llava_config.is_original(config):
        raise UserError(
            f"config.json is of model_type {config.get('model_type')!r}, not of an original LLaVA",
            str(folder),
            "give a checkpoint of LLaVA's own code, or another --naming",
        )
    return config


def describe(folder: Path, config: Json, given: Given, tokenizer: Any) -> Foreign:
    """Everything but the weights."""
    where = str(folder / "config.json")
    named = given.vision or config.get("mm_vision_tower")
    if not named:
        raise UserError("config.json names no vision tower (mm_vision_tower)", where, "give --vision")
    llava_config.check_prompts(config, where)
    tower = located(str(named), folder)
    layer, select = llava_config.select_of(config)
    policy, images = llava_config.images_config(config, where)
    language = llava_config.language_config(config, where)
    return Foreign(
        source=folder,
        naming="original",
        vision=VisionParts(tower, tower_config(tower), tower_preprocessor(tower), layer, select),
        language=language,
        generation=read_json(str(folder), "generation_config.json"),
        tokenizer=tokenizer,
        projector=llava_config.projector_config(config, where),
        image_policy=given.image_policy or policy,
        images=images,
        template=given.template or likely_template(language["model_type"], tokenizer),
        weights={},
        notes={"mm_vision_tower": str(named)},
    )


def with_tower(foreign: Foreign, config: Json) -> Foreign:
    """Take the tower from the checkpoint where it is in it, else from beside it."""
    if foreign.weights.get("vision"):
        foreign.notes["tower"] = "inside"
        if weight_files(foreign.vision.name):
            foreign.spare["vision"] = tower_weights(foreign.vision.name)
        if not config.get("unfreeze_mm_vision_tower"):
            log.warning(
                "%s holds a vision tower, which LLaVA's own code would leave aside for %s; it is taken here",
                foreign.source,
                foreign.vision.name,
            )
    else:
        foreign.notes["tower"] = "beside"
        foreign.weights["vision"] = tower_weights(foreign.vision.name)
        foreign.references["vision"] = reference_to(foreign.vision.name)
    return foreign


def read_projector(source: Path, given: Given) -> Foreign:
    """The projector of a first stage (``mm_projector.bin``); tower and language model are referred to.

    Args:
        source: the file, or the folder that holds it.
        given: ``vision`` and ``language``, unless ``config.json`` beside the file names them.

    Raises:
        UserError: as ``read_original``, and if a part is not named.
    """
    file = source / PROJECTOR_FILE if source.is_dir() else source
    config = read_json(str(file.parent), "config.json") or {}
    tensors = read_file(file)
    language = given.language or config.get("_name_or_path")
    vision = given.vision or config.get("mm_vision_tower")
    for part, name in (("language", language), ("vision", vision)):
        if not name:
            raise UserError(
                f"nothing says which {part} part the projector is for", str(file), f"give --{part}"
            )
    own = read_json(str(language), "config.json")
    if own is None:
        raise UserError("the language model has no config.json", str(language), "check --language")
    if llava_config.is_original(own):
        raise UserError(
            "this is a whole LLaVA and not a language model",
            str(language),
            "give the language model that the projector was trained for, or import the whole LLaVA",
        )
    llava_config.check_prompts(config, str(file.parent / "config.json"))
    tower = located(str(vision), file.parent)
    layer, select = llava_config.select_of(config)
    known = "mm_projector_type" in config
    projector = llava_config.projector_config(config, str(file)) if known else _projector_of(tensors)
    policy, images = llava_config.images_config(config, str(file)) if config else ("square", ImagesConfig())
    names = [rule for rule in rules(projector.name) if rule.part == "projector"]
    weights, unknown = split(tensors, names)
    return Foreign(
        source=file,
        naming="original projector",
        vision=VisionParts(tower, tower_config(tower), tower_preprocessor(tower), layer, select),
        language=own,
        generation=read_json(str(language), "generation_config.json"),
        tokenizer=load_tokenizer(str(language)),
        projector=projector,
        image_policy=given.image_policy or policy,
        images=images,
        template=given.template or "plain",
        weights=weights,
        unknown=unknown,
        rules=names,
        references={"vision": reference_to(tower), "language": reference_to(str(language))},
    )


def _projector_of(tensors: Mapping[str, Tensor]) -> ProjectorConfig:
    """The projector that these names are of."""
    layers = {name.split(".")[2] for name in tensors if name.startswith("model.mm_projector.")}
    if layers & {"weight", "bias"}:
        return ProjectorConfig("linear")
    return ProjectorConfig("mlp", max(1, len(layers)))


def kind_of(source: Path) -> str | None:
    """Which of LLaVA's own kinds of checkpoint this is: ``full``, ``projector``, ``lora``, or None."""
    if source.is_file():
        return "projector" if source.suffix in (".bin", ".safetensors", ".pt") else None
    if (source / "adapter_config.json").is_file():
        return "lora"
    if has_weights(source):
        return "full"
    return "projector" if (source / PROJECTOR_FILE).is_file() else None
