"""A checkpoint of another naming, taken apart: what every reader gives and the writing of it as our own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from mmtune.errors import UserError
from mmtune.models.bundle import Bundle, Reference
from mmtune.models.checkpoint import save
from mmtune.models.checkpoint.storage import own_tensors
from mmtune.models.config import (
    ImagesConfig,
    LanguageConfig,
    ModelConfig,
    ProjectorConfig,
    Select,
    VisionConfig,
)
from mmtune.models.convert.renaming import Rule, Split, named_as_there
from mmtune.models.differences import check_finite, check_shapes, check_types, shapes_of, without_buffers
from mmtune.models.language import empty_language, prepare_language
from mmtune.models.policy import fit_policy
from mmtune.models.projectors import build_projector
from mmtune.models.vision import VisionTower, build_vision
from mmtune.models.vlm import PARTS, VisionLanguageModel

Json = dict[str, Any]

_BESIDE = (Rule("", "vision", "core."),)
"""Names in the folder of a part that is referred to."""


@dataclass
class VisionParts:
    """A vision tower of transformers as its files describe it."""

    name: str
    """Where it comes from."""
    config: Json
    """Its own ``config.json``."""
    preprocessor: Json | None
    """Its image processor's settings, which say what view it takes."""
    layer: int = -2
    select: str = "patch"


@dataclass
class Foreign:
    """Everything that a checkpoint of another naming holds, in this project's words."""

    source: Path
    naming: str
    """Which naming it was in, for messages and the manifest."""
    vision: VisionParts
    language: Json
    """``config.json`` of the language model alone."""
    generation: Json | None
    """Its generation settings, where there are some."""
    tokenizer: Any
    projector: ProjectorConfig
    image_policy: str
    images: ImagesConfig
    template: str
    weights: Split[Tensor]
    """By part, named as in checkpoints of this project."""
    spare: Split[Tensor] = field(default_factory=dict)
    """Weights of the original parts, for those that a checkpoint leaves out since nothing reads them."""
    unknown: Sequence[str] = ()
    """Tensors that belong nowhere."""
    rules: Sequence[Rule] = ()
    """What the tensors are called there, for messages; without a rule a tensor has its name in its part."""
    references: dict[str, Reference] = field(default_factory=dict)
    """Where unchanged parts are."""
    places: dict[str, str] = field(default_factory=dict)
    """Where the weights of a part were read, if not in ``source``, for messages."""
    notes: Json = field(default_factory=dict)
    """What an export needs to give the same checkpoint again."""


def as_bundle(foreign: Foreign) -> Bundle:
    """The model that a foreign checkpoint describes, without weights.

    Raises:
        UserError: if its configuration cannot be built, or the tokenizer does not fit the embeddings.
    """
    parts = foreign.vision
    select: Select = "patch" if parts.select == "patch" else "cls_patch"
    settings = VisionConfig(name=parts.name, layer=parts.layer, select=select)
    vision = _tower(parts, settings)
    language = _language(foreign)
    width = language.get_input_embeddings().embedding_dim
    projector = build_projector(foreign.projector, vision.width, width, meta=True)
    policy = fit_policy(foreign.image_policy, foreign.images, vision, projector)
    model = VisionLanguageModel(vision, projector, language, policy)
    for part in PARTS:
        # Nothing here was trained by us: a part may be referred to where it came from.
        model.parts()[part].requires_grad_(False)
    config = ModelConfig(
        vision=settings,
        projector=foreign.projector,
        language=LanguageConfig(name=str(foreign.source), dtype="auto"),
        image_policy=foreign.image_policy,
        images=foreign.images,
    )
    return Bundle(
        model, foreign.tokenizer, foreign.template, policy, config, references=dict(foreign.references)
    )


def _tower(parts: VisionParts, settings: VisionConfig) -> VisionTower:
    """The vision tower on the meta device."""
    with TemporaryDirectory() as place:
        (Path(place) / "config.json").write_text(json.dumps(parts.config), encoding="utf-8")
        if parts.preprocessor is not None:
            file = Path(place) / "preprocessor_config.json"
            file.write_text(json.dumps(parts.preprocessor), encoding="utf-8")
        try:
            return build_vision(replace(settings, name=place), meta=True)
        except UserError as error:
            raise UserError(error.what, parts.name, error.fix) from error


def _language(foreign: Foreign) -> Any:
    """The language model on the meta device, with the checkpoint's generation settings."""
    with TemporaryDirectory() as place:
        (Path(place) / "config.json").write_text(json.dumps(foreign.language), encoding="utf-8")
        try:
            model = empty_language(place)
        except UserError as error:
            raise UserError(error.what, str(foreign.source), error.fix) from error
    if foreign.generation is not None:
        from transformers import GenerationConfig

        model.generation_config = GenerationConfig.from_dict(foreign.generation)
    prepare_language(model, foreign.tokenizer, str(foreign.source))
    return model


def fitted_weights(
    foreign: Foreign, bundle: Bundle, dtype: torch.dtype | None
) -> dict[str, dict[str, Tensor]]:
    """The weights of all parts that are not referred to, checked against the model.

    Args:
        foreign: its weights may hold buffers and tied copies, which are left out.
        bundle: the model that they must fit.
        dtype: type to give them; by default they keep their own.

    Raises:
        UserError: if names, shapes or types do not fit, or a weight is not finite.
    """
    fitted = {}
    unknown = list(foreign.unknown)
    brought = {part: without_buffers(foreign.weights.get(part, {})) for part in bundle.model.parts()}
    read = [part for part, found in brought.items() if found or part not in foreign.references]
    for part in read:
        module, found = bundle.model.parts()[part], brought[part]
        expected = own_tensors(module)
        place = foreign.references[part].name if part in foreign.references else str(foreign.source)
        where = foreign.places.get(part, place)
        last = part == read[-1]
        found = _untied(found, expected, set(module.state_dict()))
        found |= _unread(found, module, foreign.spare.get(part, {}))
        rules = _BESIDE if part in foreign.references else foreign.rules
        check_shapes(
            part,
            named_as_there(part, shapes_of(expected), rules),
            named_as_there(part, shapes_of(found), rules),
            where,
            unknown=unknown if last or not found else (),
            look_at="--naming and config.json",
        )
        if dtype is not None:
            found = {name: t.to(dtype) if t.is_floating_point() else t for name, t in found.items()}
        there = named_as_there(part, found, rules)
        check_types(part, there, where, "convert it again, or give --dtype for all")
        check_finite(part, there, where)
        fitted[part] = found
    return fitted


def _untied(found: dict[str, Tensor], expected: Mapping[str, Tensor], every: set[str]) -> dict[str, Tensor]:
    """Leave out second names of tied weights; a lone second name gives the first one its weight."""
    second = [name for name in found if name in every and name not in expected]
    kept = {name: tensor for name, tensor in found.items() if name not in second}
    lacking = [name for name in expected if name not in kept]
    if len(lacking) == len(second) == 1 and expected[lacking[0]].shape == found[second[0]].shape:
        kept[lacking[0]] = found[second[0]]
    return kept


def _unread(
    found: Mapping[str, Tensor], module: torch.nn.Module, spare: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """What is missing of a tower's weights that are never read, in the type of the others.

    LLaVA-NeXT takes the last block and the pooling head off a SigLIP before it trains it.
    """
    if not isinstance(module, VisionTower) or not found:
        return {}
    unused = {id(parameter) for parameter in module.unused_parameters()}
    names = [name for name, parameter in module.named_parameters() if id(parameter) in unused]
    dtype = next(iter(found.values())).dtype
    return {name: spare[name].to(dtype) for name in names if name not in found and name in spare}


def write_native(
    foreign: Foreign, out: Path, *, dtype: torch.dtype | None = None, include: Sequence[str] | None = None
) -> Path:
    """Write a foreign checkpoint as one of this project.

    Args:
        foreign: what was read.
        out: a folder that does not exist yet, or is empty.
        dtype: type of the weights; by default each keeps its own, bit for bit.
        include: parts to write; by default all that are not referred to.

    Raises:
        UserError: as ``as_bundle`` and ``fitted_weights``, or if the folder cannot be written.
    """
    bundle = as_bundle(foreign)
    tensors = fitted_weights(foreign, bundle, dtype)
    notes = {"naming": foreign.naming, "source": str(foreign.source), **foreign.notes}
    return save(out, bundle, tensors=tensors, include=include or list(tensors), manifest={"imported": notes})
