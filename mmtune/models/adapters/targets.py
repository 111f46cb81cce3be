"""The linear layers of a part that an adapter goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import nn

from mmtune.errors import UserError


def linear_layers(
    part: nn.Module, blocks: Sequence[nn.Module], targets: Sequence[str] | None, where: str
) -> dict[str, nn.Module]:
    """Linear layers inside the blocks of a part, by their name in the part.

    Layers outside the blocks (embeddings, the head) are never taken, nor blocks that are not run.

    Args:
        part: the language model or the vision tower.
        blocks: its transformer blocks that are run.
        targets: ends of names, as ``q_proj`` or ``mlp.fc1``; None takes every linear layer.
        where: the recipe's key, for messages.

    Raises:
        UserError: if a target names no layer, or the blocks have no linear layer.
    """
    inside = {id(module) for block in blocks for module in _linear(block)}
    found = {name: module for name, module in part.named_modules() if id(module) in inside}
    if not found:
        raise UserError("the part has no linear layer that an adapter could go on", where)
    if targets is None:
        return found
    chosen = {name: m for name, m in found.items() if any(_ends(name, target) for target in targets)}
    for target in targets:
        if not any(_ends(name, target) for name in found):
            raise UserError(
                f"no linear layer is called {target!r}",
                f"{where}.targets",
                f"there are {', '.join(sorted({name.rpartition('.')[2] for name in found}))}",
            )
    return chosen


def leaf_names(part: nn.Module, chosen: Sequence[str]) -> list[str]:
    """The last steps of names where these choose the same modules of the part, else the full names."""
    leaves = {name.rpartition(".")[2] for name in chosen}
    same = {name for name, _ in part.named_modules() if name.rpartition(".")[2] in leaves}
    return sorted(leaves) if same == set(chosen) else sorted(chosen)


def _ends(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")


def _linear(module: nn.Module) -> Iterator[nn.Module]:
    """Linear layers below a module that are called as such."""
    from transformers.pytorch_utils import Conv1D

    if isinstance(module, nn.MultiheadAttention):
        return  # it reads its layers' weights and never calls the layers, so that an adapter would do nothing
    if isinstance(module, (nn.Linear, Conv1D)):
        yield module
    for child in module.children():
        yield from _linear(child)


def widths(layer: nn.Module) -> tuple[int, int]:
    """Inputs and outputs of a linear layer."""
    if isinstance(layer, nn.Linear):
        return layer.in_features, layer.out_features
    weight = layer.weight
    assert isinstance(weight, nn.Parameter)
    return weight.shape[0], weight.shape[1]  # transformers' Conv1D has inputs first


def replace_module(root: nn.Module, name: str, new: nn.Module) -> None:
    """Put another module in the place of ``root.name``."""
    parent, _, last = name.rpartition(".")
    setattr(root.get_submodule(parent), last, new)
