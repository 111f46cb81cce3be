"""Writing a checkpoint in the naming of original LLaVA: a full model, its projector alone, or its LoRA."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmtune.errors import UserError
from mmtune.images.policies.anyres import AnyresPolicy
from mmtune.models.checkpoint import adapters, storage
from mmtune.models.convert.image_processors import tower_processor
from mmtune.models.convert.llava_config import CLASSES
from mmtune.models.convert.native import (
    KEEP,
    LLAVA_PROJECTORS,
    Native,
    demand_mergeable,
    generation_settings,
    language_settings,
    tower_settings,
)
from mmtune.models.convert.original import LORA_PREFIX, NON_LORA_FILE, PROJECTOR_FILE, rules
from mmtune.models.convert.renaming import join

Json = dict[str, Any]

TOWER_FOLDER = "vision_tower"
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_RATIOS = ("square", "pad")


def write_original(native: Native, out: Path, *, shard_bytes: int = storage.SHARD_BYTES) -> Path:
    """Write a whole model.

    The tower's weights go into the checkpoint where they were trained, and LLaVA is told to read them there.
    A tower that no hub name stands for is also written to a folder of its own, which the configuration names.

    Args:
        native: what to write.
        out: a folder that does not exist yet, or is empty.
        shard_bytes: largest weight file.

    Raises:
        UserError: if a part has no counterpart there, or the folder cannot be written.
    """
    config = _config(native, out)
    inside = native.tower_place == "inside"
    parts = {part: t for part, t in native.weights.items() if part != "vision" or inside}
    tensors = join(parts, rules(native.projector.name))
    with storage.whole_folder(out) as folder:
        native.bundle.tokenizer.save_pretrained(folder)
        storage.write_tensors(folder, tensors, shard_bytes=shard_bytes)
        storage.write_json(folder / "config.json", config)
        storage.write_json(folder / "generation_config.json", generation_settings(native))
        _write_tower(native, folder)
    return out


def write_projector(native: Native, out: Path) -> Path:
    """Write the projector alone, as LLaVA's first stage does, with a ``config.json`` that names the others.

    Raises:
        UserError: as ``write_original``.
    """
    config = _config(native, out) | {"_name_or_path": _language_name(native)}
    tensors = join({"projector": native.weights["projector"]}, rules(native.projector.name))
    with storage.whole_folder(out) as folder:
        _write_pickle(folder / PROJECTOR_FILE, tensors)
        storage.write_json(folder / "config.json", config)
        _write_tower(native, folder)
    return out


def write_lora(native: Native, out: Path) -> Path:
    """Write the language model's LoRA with everything else that learned, as LLaVA's LoRA training does.

    Args:
        native: opened without merging.
        out: a folder that does not exist yet, or is empty.

    Raises:
        UserError: as ``write_original``, and if the checkpoint has no LoRA or one on another part.
    """
    config = _config(native, out) | {"_name_or_path": _language_name(native)}
    demand_mergeable(native.folder, native.manifest)
    entries: Mapping[str, Any] = native.manifest.get("adapters") or {}
    if {part: entry["kind"] for part, entry in entries.items()} != {"language": "lora"}:
        has = ", ".join(f"{entry['kind']} on {part}" for part, entry in entries.items()) or "none"
        raise UserError(
            f"LLaVA's LoRA folders hold one LoRA, on the language model; adapters here are: {has}",
            str(native.folder),
            f"--naming original writes the whole model{' with these merged' if entries else ''}",
        )
    tensors = join({"projector": native.weights["projector"]}, rules(native.projector.name))
    with storage.whole_folder(out) as folder:
        for file in sorted((native.folder / adapters.FOLDER / "language").iterdir()):
            shutil.copy(file, folder / file.name)
        _write_pickle(folder / NON_LORA_FILE, {LORA_PREFIX + name: t for name, t in tensors.items()})
        storage.write_json(folder / "config.json", config)
        _write_tower(native, folder)
    return out


def _write_pickle(file: Path, tensors: Mapping[str, Tensor]) -> None:
    torch.save({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, file)


def _language_name(native: Native) -> str:
    assert native.bundle.config.language is not None
    return native.bundle.config.language.name


def _tower_name(native: Native) -> str | None:
    """The hub name of the tower, or None where it has none."""
    name = str(native.notes.get("mm_vision_tower") or native.vision.name)
    return name if _HUB_NAME.fullmatch(name) and not Path(name).exists() else None


def _write_tower(native: Native, folder: Path) -> None:
    if _tower_name(native) is not None:
        return
    place = folder / TOWER_FOLDER
    place.mkdir()
    settings = tower_settings(native, "original")
    kind = "CLIPVisionModel" if settings["model_type"] == "clip_vision_model" else "SiglipVisionModel"
    storage.write_json(place / "config.json", settings | {"architectures": [kind]})
    storage.write_json(place / "preprocessor_config.json", tower_processor(native.bundle.policy.geometry))
    weights = {
        name.replace("core.", "vision_model.", 1): tensor for name, tensor in native.weights["vision"].items()
    }
    storage.write_tensors(place, weights)


def _config(native: Native, out: Path) -> Json:
    """LLaVA's own keys beside those of the language model."""
    tower_settings(native, "original")
    where = str(native.folder)
    language = language_settings(native, storage.dtype_name(native.weights["language"]))
    kind = language.get("model_type")
    if native.projector.name not in LLAVA_PROJECTORS:
        raise UserError(
            f"original LLaVA has no projector {native.projector.name!r}",
            where,
            f"no other naming has it: {KEEP}",
        )
    if kind not in CLASSES:
        hub_has = (native.projector.name, native.projector.linear_layers) == ("mlp", 2)
        other = "try --naming hub" if hub_has else f"the Hub naming lacks its projector: {KEEP}"
        raise UserError(
            f"original LLaVA has no class for a language model of the kind {kind!r}",
            where,
            f"it has for {', '.join(CLASSES)}; {other}",
        )
    model_type, architecture = CLASSES[kind]
    depth = native.projector.linear_layers
    return {
        **language,
        "model_type": model_type,
        "architectures": [architecture],
        "use_mm_proj": True,
        "mm_projector_type": "linear" if native.projector.name == "linear" else f"mlp{depth}x_gelu",
        "mm_hidden_size": native.bundle.model.vision.width,
        "mm_vision_tower": _tower_name(native) or str(out.resolve() / TOWER_FOLDER),
        "mm_vision_select_layer": native.vision.layer,
        "mm_vision_select_feature": native.vision.select,
        "mm_use_im_start_end": False,
        "mm_use_im_patch_token": False,
        "mm_resampler_type": None,
        "tune_mm_mlp_adapter": False,
        "freeze_mm_mlp_adapter": False,
        "unfreeze_mm_vision_tower": native.tower_place == "inside",
        **_images(native),
    }


def _images(native: Native) -> Json:
    policy = native.bundle.policy
    if policy.name in _RATIOS:
        return {"image_aspect_ratio": policy.name, "mm_patch_merge_type": "flat"}
    if not isinstance(policy, AnyresPolicy):
        raise UserError(
            f"original LLaVA has no way to cut images like the policy {policy.name}", str(native.folder)
        )
    limit = "" if policy.most_views is None else f"_max_{policy.most_views}"
    return {
        "image_aspect_ratio": f"anyres{limit}",
        "image_grid_pinpoints": [list(canvas) for canvas in policy.canvases],
        "mm_patch_merge_type": "spatial_unpad" if policy.uses_newline else "flat",
    }
