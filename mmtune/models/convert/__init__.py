"""Checkpoints of other projects, in and out: one file a naming.

``bring_in`` finds out which naming a checkpoint has and writes it as one of this project; ``WRITERS`` write
one of this project in another naming. What is read is compared with what its configuration asks for, name by
name, before anything is written, and every tensor keeps its bits.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from mmtune.errors import UserError
from mmtune.models.convert import hub, llava_config, original
from mmtune.models.convert.foreign import Foreign, write_native
from mmtune.models.convert.hub_export import Chat, write_hub
from mmtune.models.convert.lora import import_lora
from mmtune.models.convert.native import Native, open_native
from mmtune.models.convert.original import Given
from mmtune.models.convert.original_export import write_lora, write_original, write_projector
from mmtune.models.files import read_json

READERS: dict[str, Callable[[Path, Given], Foreign]] = {
    "original": original.read_original,
    "projector": original.read_projector,
    "hub": hub.read_hub,
}
"""Reader of each naming; LoRA folders, which need a base, have a way of their own (``import_lora``)."""

NAMINGS = (*READERS, "lora")

WRITERS: dict[str, Callable[[Native, Path, Chat], Path]] = {
    "hub": write_hub,
    "original": lambda native, out, chat: write_original(native, out),
    "projector": lambda native, out, chat: write_projector(native, out),
    "lora": lambda native, out, chat: write_lora(native, out),
}
"""Writer of each naming."""


def naming_of(source: Path) -> str:
    """Which naming a checkpoint has, by its files and its configuration; names of folders say nothing.

    Raises:
        UserError: if it is none of them.
    """
    if not source.exists():
        raise UserError("there is no such checkpoint", str(source), "check the path")
    config = (read_json(str(source), "config.json") or {}) if source.is_dir() else {}
    if hub.is_hub(config):
        return "hub"
    kind = original.kind_of(source)
    if kind in ("lora", "projector"):
        return kind
    if kind == "full" and llava_config.is_original(config):
        return "original"
    if (source / "mmtune.json").is_file():
        raise UserError("this is a checkpoint of mmtune already", str(source), "use it as it is")
    raise UserError(
        "this is neither an original LLaVA nor one of the Hub's naming",
        str(source),
        "give a folder with config.json and weights, an mm_projector.bin, or a LoRA folder",
    )


def bring_in(
    source: Path,
    out: Path,
    given: Given,
    *,
    naming: str | None = None,
    merge: bool = False,
    dtype: torch.dtype | None = None,
) -> Path:
    """Write a checkpoint of another project as one of this.

    Args:
        source: a folder, or a projector's file.
        out: a folder that does not exist yet, or is empty.
        given: what the checkpoint does not say itself.
        naming: one of ``NAMINGS``; found out by default.
        merge: fold a LoRA into the weights.
        dtype: type of the weights; by default their own, bit for bit.

    Raises:
        UserError: if it is of no known naming, incomplete, damaged, or does not fit together.
    """
    naming = naming or naming_of(source)
    if naming == "lora":
        return import_lora(source, out, given, merge=merge, dtype=dtype)
    return write_native(READERS[naming](source, given), out, dtype=dtype)


__all__ = ["NAMINGS", "READERS", "WRITERS", "Chat", "Given", "Native", "bring_in", "naming_of", "open_native"]
