"""Adapters in a checkpoint: ``adapters/PART``, in peft's format where they are LoRA."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from mmtune.errors import UserError
from mmtune.models.adapters import ADAPTERS, attach, make_adapter, naming
from mmtune.models.adapters.base import Adapter
from mmtune.models.adapters.saved import load, take_types
from mmtune.models.bundle import Bundle
from mmtune.models.checkpoint import storage
from mmtune.models.files import file_sha256

FOLDER = "adapters"


def write(checkpoint: Path, bundle: Bundle, tensors: Mapping[str, Tensor] | None) -> dict[str, Any]:
    """Write the adapters of a model.

    Args:
        checkpoint: the folder that is being written.
        bundle: the model.
        tensors: weights by name as ``state_of("adapters")`` has them, from an engine; by default the model's.

    Returns:
        What the manifest says about them; nothing where there are none.
    """
    entries: dict[str, Any] = {}
    for part, adapter in bundle.model.adapters.items():
        module = bundle.model.parts()[part]
        weights = naming.adapter_state(module)
        if tensors is not None:
            if missing := [name for name in weights if f"{part}.{name}" not in tensors]:
                raise ValueError(f"the engine gave no tensor for {part}.{missing[0]}")
            weights = {name: tensors[f"{part}.{name}"] for name in weights}
        place = checkpoint / FOLDER / part
        place.mkdir(parents=True)
        config = getattr(bundle.config, part)
        source = getattr(config, "source", config.name)  # several towers have one together
        plain = {name: storage.plain_tensor(tensor) for name, tensor in weights.items()}
        names = adapter.write(place, module, plain, source)
        entries[part] = {
            "kind": adapter.kind,
            "settings": asdict(adapter.settings),
            "source": source,
            "files": {f"{FOLDER}/{part}/{name}": file_sha256(place / name) for name in names},
        }
    return {"adapters": entries} if entries else {}


def demand_whole_numbers(bundle: Bundle, kept: Collection[str]) -> None:
    """Refuse to save a part that is held in four bits: the files would hold its rounded weights for good.

    Raises:
        UserError: names the part.
    """
    for part, adapter in bundle.model.adapters.items():
        if adapter.whole_weights and part in kept:
            raise UserError(
                f"the {part} part is held in four bits, and a checkpoint can only refer to its full weights",
                "checkpoint.save_frozen",
                "set it to false, and start from a folder or checkpoint that the part can be found in",
            )


def restore(checkpoint: Path, entries: Mapping[str, Any], bundle: Bundle, *, meta: bool) -> None:
    """Put the adapters of a checkpoint on its model.

    Raises:
        UserError: if they are of an unknown kind, damaged, or do not fit the model.
    """
    for part, entry in entries.items():
        settings = ADAPTERS.find(entry["kind"], str(checkpoint)).portable(entry["settings"])
        adapter = make_adapter(part, entry["kind"], settings, str(checkpoint))
        attach(bundle.model, adapter)
        if not meta:
            tensors = storage.read_tensors(files_of(checkpoint, entry))
            take_types(adapter, bundle.model.parts()[part], tensors)
            load(adapter, bundle.model.parts()[part], tensors, checkpoint / FOLDER / part)


def files_of(checkpoint: Path, entry: Mapping[str, Any]) -> list[Path]:
    """Weight files of one adapter."""
    return [checkpoint / name for name in sorted(entry["files"])]


def fold(bundle: Bundle) -> None:
    """Fold all adapters into the weights that they are on; these parts have no source any more.

    Raises:
        UserError: if an adapter is of a kind that cannot be merged.
    """
    model = bundle.model
    for part, adapter in list(model.adapters.items()):
        adapter.fold(model.parts()[part])
        bundle.references.pop(part, None)
        del model.adapters[part]


def describe(adapter: Adapter) -> str:
    """An adapter in a few words, for messages."""
    return f"{adapter.kind} {asdict(adapter.settings)}"


__all__ = ["FOLDER", "describe", "files_of", "fold", "restore", "write"]
