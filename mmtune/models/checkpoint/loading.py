"""Rebuilding a model from a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from mmtune.errors import UserError
from mmtune.images.geometry import ViewGeometry
from mmtune.models.adapters import naming
from mmtune.models.bundle import Bundle, Reference, reference_to
from mmtune.models.checkpoint import adapters, storage
from mmtune.models.checkpoint.manifest import MANIFEST, read_manifest
from mmtune.models.config import (
    BETWEEN_NAMES,
    ImagesConfig,
    LanguageConfig,
    ModelConfig,
    ProjectorConfig,
    VisionConfig,
    split_library,
)
from mmtune.models.files import fingerprint
from mmtune.models.language import empty_language, load_language, load_tokenizer
from mmtune.models.new_tokens import add_tokens
from mmtune.models.policy import fit_policy
from mmtune.models.projectors import PROJECTORS, build_projector, full_settings
from mmtune.models.vision import VisionTower, build_vision, restore_vision
from mmtune.models.vlm import PARTS, VisionLanguageModel


def load(folder: str | Path, *, meta: bool = False, references: Mapping[str, str] | None = None) -> Bundle:
    """The model of a checkpoint, rebuilt from the folder alone but for parts that it only refers to.

    Args:
        folder: a checkpoint of ``save``.
        meta: without weights, on the meta device, for a dry run.
        references: folder or hub name of parts that the checkpoint refers to, if they moved.

    Raises:
        UserError: if the folder is no checkpoint, weights are missing, damaged or of another shape, or a part
            that it refers to is gone or is not the one that it was trained with.
    """
    path = Path(folder).expanduser()
    content = read_manifest(path)
    config = _config(content, path)
    assert config.vision and config.projector and config.language and config.image_policy
    parts, moved = content["parts"], references or {}
    known = {part: Reference(**parts[part]["reference"]) for part in PARTS if parts[part].get("reference")}
    found = {
        part: _located(part, known.get(part), moved.get(part), meta=meta)
        for part in PARTS
        if not parts[part]["files"]
    }
    for part in found.keys() & moved.keys():
        # What is saved next refers to the new place; the weights are the same, and so is their sum.
        known[part] = replace(reference_to(moved[part]), sha256=known[part].sha256)
    vision = _load_vision(path, parts["vision"], config.vision, found.get("vision"), meta=meta)
    if "language" in found:
        language, _ = load_language(replace(config.language, name=found["language"]), meta=meta)
        tokenizer = load_tokenizer(str(path / "language"))
    else:
        if not meta:
            _check_language(path, parts["language"])
        stored = replace(config.language, name=str(path / "language"), dtype="auto", add_tokens=[])
        language, tokenizer = load_language(stored, meta=meta)
    entry = parts["projector"]
    projector = build_projector(config.projector, entry["vision_width"], entry["language_width"], meta=meta)
    policy = fit_policy(config.image_policy, config.images, vision, projector)
    if not meta:
        storage.load_tensors(projector, _files(path, entry), "projector")
    model = VisionLanguageModel(vision, projector, language, policy, config.language.attention)
    bundle = Bundle(model, tokenizer, content["template"], policy, config, source=path, references=known)
    adapters.restore(path, content.get("adapters", {}), bundle, meta=meta)
    return bundle


def start_from(config: ModelConfig, *, template: str, meta: bool = False) -> Bundle:
    """The model of an earlier stage's checkpoint, for a recipe with ``model.checkpoint``.

    Args:
        config: ``checkpoint`` and, where given, parts; they must describe the checkpoint's own.
        template: name of the new stage's chat template.
        meta: without weights, on the meta device.

    Raises:
        UserError: as ``load``, and if the recipe describes other parts than the checkpoint has.
    """
    assert config.checkpoint is not None
    references = {}
    if config.vision is not None:
        references["vision"] = config.vision.source
    if config.language is not None:
        references["language"] = config.language.name
    bundle = load(config.checkpoint, meta=meta, references=references)
    if config.merge_adapters:
        adapters.fold(bundle)
    own = bundle.config
    assert own.vision and own.projector and own.language
    for key, wanted, has in _differences(config, own, bundle.model.vision.geometry.size):
        raise UserError(
            f"the recipe says {wanted!r}, the checkpoint was trained with {has!r}",
            key,
            "leave the key out, or start from backbones instead of the checkpoint",
        )
    if config.language is not None:
        if config.language.add_tokens:
            add_tokens(bundle.model.language, bundle.tokenizer, config.language.add_tokens)
            bundle.references.pop("language", None)
        own = replace(own, language=replace(own.language, attention=config.language.attention))
        bundle.model.kernel = config.language.attention
        if config.language.dtype != "auto" and not meta:
            _hold_as(bundle.model.language, getattr(torch, config.language.dtype))
    policy = config.image_policy or own.image_policy
    own = replace(own, image_policy=policy, images=config.images or own.images)
    assert own.image_policy
    bundle.policy = fit_policy(own.image_policy, own.images, bundle.model.vision, bundle.model.projector)
    bundle.model.policy = bundle.policy
    bundle.config = replace(own, checkpoint=config.checkpoint)
    bundle.template = template
    return bundle


def _hold_as(language: torch.nn.Module, dtype: torch.dtype) -> None:
    """Hold a language model's own weights in a type; adapters keep theirs, and so do buffers.

    Rotary frequencies in bfloat16 would shift positions.
    """
    for parameter in naming.own_parameters(language):
        if parameter.is_floating_point():
            parameter.data = parameter.data.to(dtype)


def _differences(config: ModelConfig, own: ModelConfig, size: int) -> list[tuple[str, Any, Any]]:
    """Keys in which a recipe describes another model than the checkpoint's: (key, wanted, has)."""
    assert own.vision and own.projector
    pairs: list[tuple[str, Any, Any]] = []
    if config.vision is not None:
        pairs += [
            (f"model.vision.{k}", getattr(config.vision, k), getattr(own.vision, k))
            for k in ("layer", "select", "final_norm", "fuse")
        ]
        ours, its = ([(t.layer, t.final_norm) for t in c.towers or ()] for c in (config.vision, own.vision))
        pairs.append(("model.vision.towers", ours, its))
        if config.vision.image_size is not None:
            pairs.append(("model.vision.image_size", config.vision.image_size, size))
    if config.projector is not None:
        wanted, has = config.projector, own.projector
        pairs.append(("model.projector.name", wanted.name, has.name))
        if wanted.name == has.name:
            mine, theirs = full_settings(wanted), full_settings(has)
            pairs.append(("model.projector.depth", wanted.linear_layers, has.linear_layers))
            pairs.append(("model.projector.settings", mine, theirs))
    return [pair for pair in pairs if pair[1] != pair[2]]


def _config(content: dict[str, Any], path: Path) -> ModelConfig:
    """The model's settings in a manifest."""
    stored = content["model"]
    try:
        return ModelConfig(
            vision=VisionConfig(**stored["vision"]),
            projector=_projector(stored["projector"]),
            language=LanguageConfig(**stored["language"]),
            image_policy=content["image_policy"],
            images=ImagesConfig(**(stored.get("images") or {})),
        )
    except (KeyError, TypeError) as error:
        raise UserError(f"the checkpoint's {MANIFEST} is damaged at model: {error}", str(path)) from error


def _projector(stored: dict[str, Any]) -> ProjectorConfig:
    """The projector's settings; older checkpoints have a depth where it means nothing."""
    config = ProjectorConfig(**stored)
    counts = PROJECTORS.find(config.name, MANIFEST).ends_in_mlp
    return config if counts else replace(config, depth=None)


def _located(part: str, reference: Reference | None, moved: str | None, *, meta: bool) -> str:
    """Folder or hub name of a part that a checkpoint only refers to."""
    if reference is None:
        raise UserError(f"the checkpoint holds no {part} weights and refers to none", part, "save it again")
    candidates = [moved] if moved else [reference.name, *([reference.folder] if reference.folder else [])]
    name = next((c for c in candidates if _is_here(c)), candidates[0])
    if meta or reference.sha256 is None:
        return name
    now = fingerprint(name)
    if now is not None and now != reference.sha256:
        raise UserError(
            f"these {part} weights are not the ones that the checkpoint was trained with",
            name,
            f"set model.{part}.name to a copy of {reference.name} as it was then",
        )
    return name


def _is_here(name: str) -> bool:
    """Whether a folder, or each of several, is on this machine."""
    return all(Path(split_library(one)[1]).expanduser().is_dir() for one in name.split(BETWEEN_NAMES))


def _files(path: Path, entry: dict[str, Any]) -> list[Path]:
    return [path / name for name in sorted(entry["files"])]


def _load_vision(
    path: Path, entry: dict[str, Any], config: VisionConfig, source: str | None, *, meta: bool
) -> VisionTower:
    """The tower, from the checkpoint's own weights or from ``source``."""
    geometry = ViewGeometry(**entry["geometry"])
    if source is not None:
        tower = build_vision(config.located(source), meta=meta)
        if tower.geometry != geometry:
            raise UserError(
                f"the vision tower now takes views as {tower.geometry}, the model was trained on {geometry}",
                source,
                "restore its preprocessor_config.json, or give a copy of it as it was with model.vision.name",
            )
        return tower
    tower = restore_vision(
        entry["library"],
        entry["config"],
        geometry,
        layer=config.layer,
        select=config.select,
        final_norm=config.final_norm,
        meta=meta,
    )
    if not meta:
        storage.load_tensors(tower, _files(path, entry), "vision")
    return tower


def _check_language(path: Path, entry: dict[str, Any]) -> None:
    """Compare names and shapes before transformers loads what fits and warns about the rest."""
    model = empty_language(str(path / "language"))
    saved = storage.read_shapes(_files(path, entry))
    storage.check_shapes(storage.own_tensors(model), saved, "language", str(path / "language"))
