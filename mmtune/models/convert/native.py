"""A checkpoint of this project, opened to be written in another naming."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmtune.errors import UserError
from mmtune.models.adapters import ADAPTERS
from mmtune.models.bundle import Bundle
from mmtune.models.checkpoint import adapters, load, read_manifest, storage
from mmtune.models.config import TRANSFORMERS, ProjectorConfig, VisionConfig
from mmtune.models.convert.llava_config import CLASSES
from mmtune.models.convert.renaming import Split
from mmtune.models.differences import check_finite, check_types, shapes_of
from mmtune.models.vision.families import FAMILIES
from mmtune.models.vlm import PARTS

Json = dict[str, Any]


@dataclass
class Native:
    """A checkpoint's description, without weights, and its weights as they lie in the files."""

    folder: Path
    manifest: Json
    bundle: Bundle
    weights: Split[Tensor]

    @property
    def vision(self) -> VisionConfig:
        """Settings of the tower."""
        assert self.bundle.config.vision is not None
        return self.bundle.config.vision

    @property
    def projector(self) -> ProjectorConfig:
        """Settings of the projector."""
        assert self.bundle.config.projector is not None
        return self.bundle.config.projector

    @property
    def notes(self) -> Json:
        """What an import remembered."""
        found: Json = self.manifest.get("imported") or {}
        return found

    @property
    def tower_place(self) -> str:
        """Whether original LLaVA finds the tower's weights ``inside`` the checkpoint or ``beside`` it."""
        unchanged = bool(self.manifest["parts"]["vision"].get("reference"))
        return str(self.notes.get("tower") or ("beside" if unchanged else "inside"))


def open_native(folder: str | Path, *, merged: bool = True, dtype: torch.dtype | None = None) -> Native:
    """Open a checkpoint.

    Args:
        folder: a checkpoint of ``save``.
        merged: fold its adapters into the weights; without it they are left out.
        dtype: type to give the weights; by default each part keeps its own, bit for bit.

    Raises:
        UserError: if it cannot be loaded, an adapter cannot be merged, or its weights do not fit or are not
            finite.
    """
    path = Path(folder).expanduser()
    manifest = read_manifest(path)
    parts = manifest["parts"]
    if merged:
        demand_mergeable(path, manifest)
    adapted = merged and bool(manifest.get("adapters"))
    if adapted or not all(parts[part]["files"] for part in PARTS):
        # Merging needs the weights, and so does a part that is only referred to.
        bundle = load(path)
        if adapted:
            adapters.fold(bundle)
    else:
        bundle = load(path, meta=True)
    weights: Split[Tensor] = {}
    for part, module in bundle.model.parts().items():
        raw = bool(parts[part]["files"]) and not (adapted and part in manifest["adapters"])
        files = [path / name for name in sorted(parts[part]["files"])]
        found = storage.read_tensors(files) if raw else _held(module)
        storage.check_shapes(storage.own_tensors(module), shapes_of(found), part, str(path))
        if dtype is not None:
            found = {name: t.to(dtype) if t.is_floating_point() else t for name, t in found.items()}
        check_types(part, found, str(path), "convert it again, or give --dtype for all")
        check_finite(part, found, str(path))
        weights[part] = found
    return Native(path, manifest, bundle, weights)


def _held(module: torch.nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach() for name, tensor in storage.own_tensors(module).items()}


LLAVA_PROJECTORS = ("linear", "mlp")
"""Projectors of original LLaVA; the Hub's has ``mlp`` of depth 2 alone."""

_TOWERS = {
    "Hub": ("clip_vision_model", "siglip_vision_model", "dinov2"),
    "original": ("clip_vision_model", "siglip_vision_model"),
}
"""Towers that the models of a naming can be read with."""
_REASONS = {
    "siglip2_vision_model": "it takes patches of images of any shape, and LLaVA's classes hand over views",
    "dinov2_with_registers": "LLaVA's classes would read its registers as if they were patches",
}


def tower_settings(native: Native, naming: str) -> Json:
    """The tower's own ``config.json``, for a naming that has a place for one plain transformers tower.

    Raises:
        UserError: if it is of another library, several are fused, or its features are read in another way.
    """
    described = native.bundle.model.vision.describe()
    config: Json = described.get("config", {})
    kind = config.get("model_type") if described["library"] == TRANSFORMERS else described["library"]
    if kind not in _TOWERS[naming]:
        reason = f": {_REASONS[kind]}" if kind in _REASONS else ""
        names = " and ".join(FAMILIES[one].name for one in _TOWERS[naming])
        raise UserError(
            f"{naming} naming has no place for a vision tower of the kind {kind}{reason}",
            str(native.folder),
            f"only {names} of transformers can be exported",
        )
    if native.vision.final_norm:
        raise UserError(
            f"{naming} models read hidden states without the final norm, and this one reads it with the norm",
            str(native.folder),
        )
    return config


KEEP = "keep and share the checkpoint of mmtune itself, as it is"
"""What to do with a model that no other naming has a place for."""


def projector_fix(native: Native) -> str:
    """Which namings the model can go out in, for the error of one that does not have its projector."""
    described = native.bundle.model.vision.describe()
    tower = described.get("config", {}).get("model_type")
    if (
        native.projector.name in LLAVA_PROJECTORS
        and tower in _TOWERS["original"]
        and native.bundle.model.language.config.model_type in CLASSES
    ):
        return "only mlp of depth 2 can be exported there; --naming original takes this one"
    return f"no other naming has it: {KEEP}"


def demand_mergeable(folder: Path, manifest: Json) -> None:
    """Refuse adapters that no other naming has a place for, neither as they are nor merged.

    Raises:
        UserError: names them.
    """
    entries = manifest.get("adapters") or {}
    lasting = [
        f"{entry['kind']} on {part}"
        for part, entry in entries.items()
        if not ADAPTERS.find(entry["kind"], str(folder)).mergeable
    ]
    if lasting:
        raise UserError(
            f"no other naming has such an adapter, and it cannot be merged: {', '.join(lasting)}",
            str(folder),
            KEEP,
        )


def language_settings(native: Native, dtype: str) -> Json:
    """The language model's ``config.json``, readable by old versions of transformers, too."""
    language = native.bundle.model.language
    settings: Json = json.loads(language.config.to_json_string(use_diff=False))
    for key in ("_name_or_path", "_attn_implementation", "attn_implementation", "transformers_version"):
        settings.pop(key, None)
    settings["dtype"] = settings["torch_dtype"] = dtype
    rope = settings.get("rope_parameters")
    if isinstance(rope, dict) and "rope_theta" in rope:
        settings["rope_theta"] = rope["rope_theta"]
        if rope.get("rope_type", "default") != "default":
            settings["rope_scaling"] = {key: value for key, value in rope.items() if key != "rope_theta"}
    return settings


def generation_settings(native: Native) -> Json:
    """The language model's generation settings."""
    settings: Json = json.loads(native.bundle.model.language.generation_config.to_json_string())
    settings.pop("transformers_version", None)
    return settings
