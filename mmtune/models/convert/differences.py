"""What keeps weights from fitting a model, as a list with the likely cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from mmtune.errors import UserError

LISTED = 10
"""Names that a message shows."""

_HARMLESS = (".rotary_emb.inv_freq", ".embeddings.position_ids", ".attn.attn.bias", ".masked_bias")
"""Ends of the names of buffers that old versions of transformers saved and newer ones compute."""
_QUANTISED = (".absmax", ".quant_map", ".SCB", ".qweight", ".qzeros", ".weight_scale", ".weight_scale_inv")


def without_buffers(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Leave out what a model computes itself and old checkpoints hold all the same."""
    return {name: tensor for name, tensor in tensors.items() if not name.endswith(_HARMLESS)}


def check_names(
    part: str, expected: Mapping[str, Tensor], found: Mapping[str, Tensor], unknown: Sequence[str], where: str
) -> None:
    """Compare names and shapes of a part's weights with those that its configuration asks for.

    Args:
        part: for the message.
        expected: tensors of the model, which may be without data.
        found: tensors of the checkpoint.
        unknown: further names of the checkpoint that belong nowhere.
        where: the checkpoint.

    Raises:
        UserError: if they differ, with the first names and the likely cause.
    """
    missing = [name for name in expected if name not in found]
    extra = [name for name in found if name not in expected] + list(unknown)
    misshapen = [
        f"{name} is {list(found[name].shape)} and should be {list(tensor.shape)}"
        for name, tensor in expected.items()
        if name in found and found[name].shape != tensor.shape
    ]
    if not (missing or extra or misshapen):
        return
    counts = {"missing": missing, "not of this model": extra, "of another shape": misshapen}
    head = ", ".join(f"{len(names)} {kind}" for kind, names in counts.items() if names)
    lines = [f"missing: {n}" for n in missing] + [f"not of this model: {n}" for n in extra] + misshapen
    raise UserError(
        f"the {part} weights do not fit: {head} ({_listed(lines)})",
        where,
        _cause(part, expected, missing, extra, misshapen),
    )


def _cause(
    part: str,
    expected: Mapping[str, Tensor],
    missing: Sequence[str],
    extra: Sequence[str],
    misshapen: Sequence[str],
) -> str:
    """The likeliest reason, and what to do."""
    names = [*extra, *missing]
    if any(name.endswith(_QUANTISED) for name in extra):
        return "the weights are quantised: import the unquantised checkpoint"
    if any(".lora_A." in name or ".lora_B." in name for name in names):
        return "these are a LoRA's weights: import the folder that holds adapter_config.json, with --base"
    if misshapen and any("embed_tokens" in line or "lm_head" in line for line in misshapen):
        return "the embeddings are those of another vocabulary: check vocab_size and the tokenizer"
    if misshapen and part == "projector":
        return "the projector was trained for another vision tower or language model"
    if misshapen:
        return "the weights are those of a model of another size: check config.json"
    if len(missing) == len(expected) and not extra:
        return f"the checkpoint holds no {part} part: name where it is, or give the whole checkpoint"
    if missing and extra:
        return "the names are those of another naming or kind of model: check --naming and config.json"
    if missing:
        return "a part of the checkpoint was not downloaded or not saved"
    return "the checkpoint holds more than its config.json tells of: it is of another kind of model"


def check_values(part: str, tensors: Mapping[str, Tensor], where: str) -> None:
    """Refuse weights of mixed types, and weights that are not finite.

    Raises:
        UserError: with the first names.
    """
    types = Counter(tensor.dtype for tensor in tensors.values() if tensor.is_floating_point())
    if len(types) > 1:
        usual = types.most_common(1)[0][0]
        odd = [f"{name} is {_word(t.dtype)}" for name, t in tensors.items() if t.dtype != usual]
        raise UserError(
            f"the {part} weights are of mixed types: {types[usual]} are {_word(usual)}, but {_listed(odd)}",
            where,
            "an interrupted conversion leaves such a file: convert it again, or give --dtype for all",
        )
    if broken := [name for name, t in tensors.items() if t.is_floating_point() and not _finite(t)]:
        raise UserError(
            f"{len(broken)} {part} weights hold NaN or infinity: {_listed(broken)}",
            where,
            "the run that wrote them diverged, or float16 overflowed: take an earlier checkpoint",
        )


def _finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor).all())


def _word(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _listed(lines: Iterable[str]) -> str:
    every = list(lines)
    more = f"; and {len(every) - LISTED} more" if len(every) > LISTED else ""
    return "; ".join(every[:LISTED]) + more


__all__ = ["LISTED", "check_names", "check_values", "without_buffers"]
