"""Adapters from files: read, compared with the model that they are to go on, put on it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from mmtune.errors import UserError
from mmtune.models.adapters import attach, naming
from mmtune.models.adapters.base import WEIGHTS, Adapter
from mmtune.models.adapters.lora import PREFIX, Lora, settings_of
from mmtune.models.adapters.targets import linear_layers, widths
from mmtune.models.differences import LISTED, check_finite, check_types
from mmtune.models.reading import read_file

if TYPE_CHECKING:
    from mmtune.models.vlm import VisionLanguageModel


def attach_lora(
    model: VisionLanguageModel, part: str, folder: str | Path, source: str | Path | None = None
) -> Adapter:
    """Put a LoRA that peft has saved, here or elsewhere, on a part of a model.

    Args:
        model: with real weights.
        part: ``language`` or ``vision``.
        folder: with ``adapter_config.json`` and ``adapter_model.safetensors``.
        source: what to call it in messages, by default the folder.

    Returns:
        The adapter.

    Raises:
        UserError: if the folder holds no such LoRA, or one for another base: says what differs.
    """
    folder = Path(folder).expanduser()
    settings = settings_of(folder)
    tensors = read_file(folder / WEIGHTS)
    layers = linear_layers(model.parts()[part], model.blocks_of(part), None, str(folder))
    named = folder if source is None else Path(source)
    _compare(_expected(layers, settings.rank, tensors, settings.dora), tensors, named)
    names = sorted({_layer_of(name) for name in tensors})
    adapter = Lora(part, replace(settings, targets=names))
    attach(model, adapter)
    take_types(adapter, model.parts()[part], tensors)
    load(adapter, model.parts()[part], tensors, named)
    return adapter


def take_types(adapter: Adapter, module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Hold an adapter's weights in the types of saved ones: beside a part in bfloat16 peft would round them.

    Args:
        adapter: attached.
        module: the part.
        tensors: by their name in files.
    """
    for name, own in adapter.names(naming.adapter_state(module)).items():
        if name in tensors:
            own.data = own.data.to(tensors[name].dtype)


def load(adapter: Adapter, module: nn.Module, tensors: Mapping[str, Tensor], folder: Path) -> None:
    """Copy an adapter's saved weights into the part that it is on.

    Args:
        adapter: attached.
        module: the part.
        tensors: by their name in files.
        folder: where they come from, for messages.

    Raises:
        UserError: if they are another base's (says what differs), of mixed types, or not finite.
    """
    own = adapter.names(naming.adapter_state(module))
    _compare({name: tuple(tensor.shape) for name, tensor in own.items()}, tensors, folder)
    check_types("adapter", tensors, str(folder))
    check_finite("adapter", tensors, str(folder))
    with torch.no_grad():
        for name, tensor in tensors.items():
            own[name].copy_(tensor)


def _compare(expected: Mapping[str, tuple[int, ...]], tensors: Mapping[str, Any], folder: Path) -> None:
    strange = [name for name in tensors if name not in expected]
    lost = [name for name in expected if name not in tensors]
    absent = [f"{name} has no place in the model" for name in strange]
    missing = [f"{name} is missing" for name in lost]
    shapes = [
        f"{name} is {list(tensors[name].shape)} and should be {list(shape)}"
        for name, shape in expected.items()
        if name in tensors and tuple(tensors[name].shape) != tuple(shape)
    ]
    differing = absent + missing + shapes
    if not differing:
        return
    more = f", and {len(differing) - LISTED} more" if len(differing) > LISTED else ""
    there = {_layer_of(name) for name in tensors}
    if not absent and not shapes and all(_layer_of(name) in there for name in expected):
        raise UserError(
            f"the adapter is not whole: {', '.join(missing[:LISTED])}{more}",
            str(folder),
            "some of it was not downloaded or not saved: fetch or save it again",
        )
    alike = _any_layer(strange) <= _any_layer(expected) and _any_layer(lost) <= _any_layer(tensors)
    if shapes and not absent and not missing:
        cause = "its base has other widths (or the adapter another rank)"
    elif alike and not shapes:
        cause = "its base has another number of layers"
    else:
        cause = "its base is of another family"
    raise UserError(
        f"the adapter was made for another model: {', '.join(differing[:LISTED])}{more}",
        str(folder),
        f"probably {cause}; give the base that adapter_config.json or mmtune.json names",
    )


def _expected(
    layers: Mapping[str, nn.Module], rank: int, tensors: Mapping[str, Any], dora: bool
) -> dict[str, tuple[int, ...]]:
    """Names and shapes that a LoRA of the layers in a file would have on this model."""
    chosen = {_layer_of(name) for name in tensors}
    shapes: dict[str, tuple[int, ...]] = {}
    for name, layer in layers.items():
        if name in chosen:
            inputs, outputs = widths(layer)
            shapes[f"{PREFIX}{name}.lora_A.weight"] = (rank, inputs)
            shapes[f"{PREFIX}{name}.lora_B.weight"] = (outputs, rank)
            if dora:
                shapes[f"{PREFIX}{name}.lora_magnitude_vector"] = (outputs,)
    return shapes


def _any_layer(names: Iterable[str]) -> set[str]:
    """Names without the numbers of their layers."""
    return {re.sub(r"\.\d+\.", ".", name) for name in names}


def _layer_of(name: str) -> str:
    """The layer that a tensor of peft's file changes."""
    return name.removeprefix(PREFIX).partition(".lora_")[0]
