"""Writing a checkpoint."""

from __future__ import annotations

import json
import platform
from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmtune.batch import IMAGE_TOKEN_ID
from mmtune.errors import UserError
from mmtune.models.adapters import naming
from mmtune.models.bundle import Bundle, Reference
from mmtune.models.checkpoint import adapters, storage
from mmtune.models.checkpoint.manifest import FORMAT, FORMAT_WITH_ADAPTERS, MANIFEST
from mmtune.models.files import file_sha256, fingerprint
from mmtune.models.vlm import ADAPTERS_PART, PARTS

Tensors = Mapping[str, Mapping[str, Tensor]]


def save(
    folder: str | Path,
    bundle: Bundle,
    *,
    manifest: Mapping[str, Any] | None = None,
    include: Collection[str] | None = None,
    tensors: Tensors | None = None,
    shard_bytes: int = storage.SHARD_BYTES,
) -> Path:
    """Write a checkpoint; the folder appears only once all of it is on the disk.

    Args:
        folder: must not exist yet, or be empty.
        bundle: what to save.
        manifest: what the caller wants remembered (recipe, data hashes, step, …), as JSON values.
        include: parts whose weights are written; the others are referred to. By default all. Adapters are
            always written.
        tensors: weights by part and name, from an engine that shards them; by default the model's own.
        shard_bytes: largest weight file.

    Returns:
        The folder.

    Raises:
        UserError: if the folder holds something, a part that was trained is left out, or the disk is full.
    """
    target = Path(folder)
    kept = set(PARTS if include is None else include)
    if unknown := kept - set(PARTS):
        raise UserError(
            f"there is no part {sorted(unknown)[0]!r}", "checkpoint", f"the parts are {', '.join(PARTS)}"
        )
    adapters.demand_whole_numbers(bundle, kept)
    content = _describe(bundle)
    if clash := set(content) & set(manifest or {}):
        raise ValueError(f"the manifest's key {sorted(clash)[0]!r} is written by the checkpoint itself")
    references = {part: _reference(bundle, part, kept) for part in PARTS}
    with storage.whole_folder(target) as temporary:
        for part, module in bundle.model.parts().items():
            place = temporary / part
            place.mkdir()
            entry = content["parts"][part]
            reference = references[part]
            entry["reference"] = reference and asdict(reference)
            entry["files"] = {}
            if part in kept:
                weights = _weights(part, module, tensors)
                names = storage.write_tensors(place, weights, shard_bytes=shard_bytes)
                entry["files"] = {f"{part}/{name}": file_sha256(place / name) for name in names}
                entry["dtype"] = storage.dtype_name(weights)
        given = None if tensors is None else tensors.get(ADAPTERS_PART, {})
        content |= adapters.write(temporary, bundle, given)
        dtype = content["parts"]["language"].get("dtype") or _held_dtype(bundle.model.language)
        _write_language_settings(temporary / "language", bundle, dtype)
        storage.write_json(temporary / MANIFEST, content | dict(manifest or {}))
    return target


def _describe(bundle: Bundle) -> dict[str, Any]:
    """Everything but the weights."""
    model, config = bundle.model, bundle.config
    assert config.vision and config.projector and config.language
    vision = model.vision
    return {
        "format": FORMAT_WITH_ADAPTERS if model.adapters else FORMAT,
        "template": bundle.template,
        "image_policy": bundle.policy.name,
        "image_token": {"placeholder": "<image>", "id": IMAGE_TOKEN_ID, "count": bundle.policy.tokens.count},
        "model": asdict(replace(config, checkpoint=None, merge_adapters=False)),
        "parts": {
            "vision": {
                "class": type(vision).__name__,
                "source": config.vision.source,
                "geometry": asdict(vision.geometry),
                **vision.describe(),
            },
            "projector": {
                "class": type(model.projector).__name__,
                "vision_width": model.projector.vision_width,
                "language_width": model.projector.language_width,
            },
            "language": {"class": type(model.language).__name__, "source": config.language.name},
        },
        "parent": _parent(bundle),
        "versions": _versions(),
    }


def _parent(bundle: Bundle) -> dict[str, str] | None:
    """The checkpoint that this one grew from."""
    if bundle.source is None:
        return None
    file = bundle.source / MANIFEST
    return {"folder": str(bundle.source), "sha256": file_sha256(file) if file.is_file() else "gone"}


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("mmtune", "torch", "transformers", "open_clip_torch", "peft", "safetensors"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _reference(bundle: Bundle, part: str, kept: Collection[str]) -> Reference | None:
    """Where a part's unchanged weights are, or None once it was trained."""
    trained = any(p.requires_grad for p in naming.own_parameters(bundle.model.parts()[part]))
    reference = None if trained else bundle.references.get(part)
    if part not in kept:
        if reference is None:
            raise UserError(
                f"the {part} part was trained or has no source of its own, so it cannot be left out",
                "checkpoint",
                f"include {part}",
            )
        if reference.sha256 is None:
            # Reading the weight files takes a while, so it is only done where the checkpoint depends on them.
            reference = replace(reference, sha256=fingerprint(reference.name))
    return reference


def _weights(part: str, module: torch.nn.Module, tensors: Tensors | None) -> dict[str, Tensor]:
    own = storage.own_tensors(module)
    if tensors is None:
        return own
    given = tensors.get(part, {})
    if missing := [name for name in own if name not in given]:
        raise ValueError(f"the engine gave no tensor for {part}.{missing[0]} and {len(missing) - 1} more")
    return {name: given[name] for name in own}


def _held_dtype(module: torch.nn.Module) -> str:
    return str(next(module.parameters()).dtype).removeprefix("torch.")


def _write_language_settings(place: Path, bundle: Bundle, dtype: str) -> None:
    """The files beside the weights that make the folder one that transformers loads.

    ``dtype`` is that of the written weights: an engine may write float32 masters of a bfloat16 model, and
    whoever loads them in the type of config.json would round them.
    """
    language = bundle.model.language
    settings = json.loads(language.config.to_json_string(use_diff=False))
    settings.pop("_name_or_path", None)
    settings["architectures"] = [type(language).__name__]
    settings["dtype"] = dtype
    storage.write_json(place / "config.json", settings)
    # Written without transformers' own check, which has killed runs at their very last save.
    if getattr(language, "generation_config", None) is not None:
        generation = json.loads(language.generation_config.to_json_string())
        storage.write_json(place / "generation_config.json", generation)
    bundle.tokenizer.save_pretrained(place)
