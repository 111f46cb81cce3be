"""What keeps weights from fitting a model, as a list with the likely cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mmtune.errors import UserError

LISTED = 10
"""Names that a message shows."""

Shapes = Mapping[str, Sequence[int]]
"""Shape of each tensor by its name."""

_HARMLESS = (".rotary_emb.inv_freq", ".embeddings.position_ids", ".attn.attn.bias", ".masked_bias")
"""Ends of the names of buffers that old versions of transformers saved and newer ones compute."""
_QUANTISED = (".absmax", ".quant_map", ".SCB", ".qweight", ".qzeros", ".weight_scale", ".weight_scale_inv")


def without_buffers(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Leave out what a model computes itself and old checkpoints hold all the same."""
    return {name: tensor for name, tensor in tensors.items() if not is_harmless(name)}


def is_harmless(name: str) -> bool:
    """Whether a tensor of this name is one that a model computes itself."""
    return name.endswith(_HARMLESS)


def shapes_of(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Shapes of tensors, which may be without data."""
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def check_shapes(
    part: str,
    expected: Shapes,
    found: Shapes,
    where: str,
    *,
    unknown: Sequence[str] = (),
    look_at: str = "config.json",
) -> None:
    """Compare names and shapes of a part's weights with those that its configuration asks for.

    Args:
        part: for the message.
        expected: the model's.
        found: the checkpoint's.
        where: the checkpoint.
        unknown: further names of the checkpoint that belong nowhere.
        look_at: what to check where the names are those of something else.

    Raises:
        UserError: if they differ, with the first names and the likely cause.
    """
    missing = [name for name in expected if name not in found]
    extra = [name for name in found if name not in expected] + list(unknown)
    misshapen = [
        f"{name} is {list(found[name])} and should be {list(shape)}"
        for name, shape in expected.items()
        if name in found and tuple(found[name]) != tuple(shape)
    ]
    if not (missing or extra or misshapen):
        return
    counts = {"missing": missing, "not of this model": extra, "of another shape": misshapen}
    head = ", ".join(f"{len(names)} {kind}" for kind, names in counts.items() if names)
    kinds = [[f"missing: {n}" for n in missing], [f"not of this model: {n}" for n in extra], misshapen]
    raise UserError(
        f"the {part} weights do not fit: {head} ({_listed(*kinds)})",
        where,
        _cause(part, len(expected), missing, extra, misshapen, look_at),
    )


def _cause(
    part: str,
    expected: int,
    missing: Sequence[str],
    extra: Sequence[str],
    misshapen: Sequence[str],
    look_at: str,
) -> str:
    """The likeliest reason, and what to do."""
    names = [*extra, *missing]
    if any(name.endswith(_QUANTISED) for name in extra):
        return "the weights are quantised: take the unquantised checkpoint"
    if any(".lora_A." in name or ".lora_B." in name for name in names):
        return (
            "these are a LoRA's weights: `mmtune import` takes the folder that holds adapter_config.json, "
            "with --base"
        )
    if misshapen and any("embed_tokens" in line or "lm_head" in line for line in misshapen):
        return "the embeddings are those of another vocabulary: check vocab_size and the tokenizer"
    if misshapen and part == "projector":
        return "the projector was trained for another vision tower or language model"
    if misshapen:
        return "the weights are those of a model of another size: check config.json"
    if len(missing) == expected and not extra:
        return f"the checkpoint holds no {part} part: name where it is, or give the whole checkpoint"
    if missing and extra:
        return f"the names are those of another naming or kind of model: check {look_at}"
    if missing:
        return "a part of the checkpoint was not downloaded or not saved"
    return "the checkpoint holds more than its configuration tells of: it is of another kind or size of model"


def check_types(part: str, tensors: Mapping[str, Tensor], where: str, fix: str = "convert it again") -> None:
    """Refuse weights of mixed types, as an interrupted conversion leaves them.

    Args:
        part: for the message.
        tensors: by name.
        where: the checkpoint.
        fix: what to do about it.

    Raises:
        UserError: with the first names.
    """
    types = Counter(tensor.dtype for tensor in tensors.values() if tensor.is_floating_point())
    if len(types) <= 1:
        return
    usual = types.most_common(1)[0][0]
    odd = [f"{name} is {_word(t.dtype)}" for name, t in tensors.items() if t.dtype != usual]
    raise UserError(
        f"the {part} weights are of mixed types: {types[usual]} are {_word(usual)}, but {_listed(odd)}",
        where,
        f"an interrupted conversion leaves such a file: {fix}",
    )


def check_finite(part: str, tensors: Mapping[str, Tensor], where: str) -> None:
    """Refuse weights that are not finite.

    Raises:
        UserError: with the first names.
    """
    if broken := [name for name, t in tensors.items() if t.is_floating_point() and not _finite(t)]:
        raise UserError(
            f"{len(broken)} {part} weights hold NaN or infinity: {_listed(broken)}",
            where,
            "the run that wrote them diverged, or float16 overflowed: take an earlier checkpoint",
        )


def _finite(tensor: Tensor) -> bool:
    # A sum allocates nothing, and one number that is not finite shows in it; it may overflow itself, though.
    if tensor.is_meta or tensor.detach().sum(dtype=torch.float32).isfinite():
        return True
    return bool(torch.isfinite(tensor).all())


def _word(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _listed(*kinds: Sequence[str]) -> str:
    """The first of each kind, ten in all: names that are missing beside those that stand in their place."""
    left, chosen = LISTED, list[str]()
    waiting = sorted(kinds, key=len)  # what a short kind does not need goes to the longer ones
    room: dict[int, int] = {}
    for place, lines in enumerate(waiting):
        room[id(lines)] = min(len(lines), left // (len(waiting) - place))
        left -= room[id(lines)]
    for lines in kinds:
        chosen += lines[: room[id(lines)]]
    more = sum(map(len, kinds)) - len(chosen)
    return "; ".join(chosen) + (f"; and {more} more" if more else "")


__all__ = [
    "LISTED",
    "Shapes",
    "check_finite",
    "check_shapes",
    "check_types",
    "is_harmless",
    "shapes_of",
    "without_buffers",
]
