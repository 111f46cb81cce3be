"""A vision tower beside a checkpoint: its configuration, its view and its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from mmtune.errors import UserError
from mmtune.models.convert.renaming import Rule, split
from mmtune.models.files import read_json, weight_files
from mmtune.models.reading import read_weights
from mmtune.models.vision.families import FAMILIES

RULES = [
    Rule("vision_model.", "vision", "core."),
    Rule("", "vision", "core."),
]
"""Names in a folder of a CLIP or SigLIP; newer versions of transformers leave ``vision_model`` out."""

_TEXT = ("text_model.", "text_projection.", "visual_projection.", "logit_scale", "logit_bias", "text_embeds")


def tower_config(name: str) -> dict[str, Any]:
    """The vision part of a tower's ``config.json``.

    Raises:
        UserError: if there is none.
    """
    advice = "say with --vision where the tower is"
    try:
        config = read_json(name, "config.json")
    except UserError as error:
        raise UserError(f"the vision tower is not found: {error.what}", name, advice) from error
    if config is None:
        raise UserError("the vision tower has no config.json", name, advice)
    if "vision_config" in config:
        for kind, family in FAMILIES.items():
            if family.whole is not None and config.get("model_type") == family.whole:
                return {**config["vision_config"], "model_type": kind}
    return config


def tower_preprocessor(name: str) -> dict[str, Any] | None:
    """The settings of a tower's image processor, where there are some."""
    return read_json(name, "preprocessor_config.json") or read_json(name, "processor_config.json")


def tower_weights(name: str) -> dict[str, Tensor]:
    """A tower's weights under the names of the vision part; those of a text tower beside it are left out.

    Raises:
        UserError: if there are none on this machine, or they are damaged.
    """
    files = weight_files(name)
    if not files:
        raise UserError("the vision tower's weights are not here", name, "download them, or give --vision")
    tensors = read_weights(files[0].parent)
    parts, _ = split({n: t for n, t in tensors.items() if not n.startswith(_TEXT)}, RULES)
    return parts.get("vision", {})


def located(name: str, beside: Path) -> str:
    """Where a tower is that a configuration names: as it stands, beside the checkpoint, or on the hub."""
    for place in (Path(name).expanduser(), beside / name, beside.parent / name, beside / Path(name).name):
        if place.is_dir() and (place / "config.json").is_file():
            return str(place)
    return name
