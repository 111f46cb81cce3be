"""AdamW's moments as named tensors, so that they go to safetensors and come back to any layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from mmtune.errors import UserError

FILE = "optimizer.safetensors"


def collect(optimizer: Optimizer, model: nn.Module, whole: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
    """``{"projector.0.weight/exp_avg": tensor}`` for every trainable parameter that has a state.

    Args:
        optimizer: after any number of steps.
        model: names the parameters that the optimiser holds.
        whole: the full CPU tensor of a possibly sharded one; called in the same order on every rank.
    """
    found: dict[str, Tensor] = {}
    for name, parameter in model.named_parameters():
        for key, value in sorted(optimizer.state.get(parameter, {}).items()):
            tensor = value if isinstance(value, Tensor) else torch.tensor(float(value))
            found[f"{name}/{key}"] = whole(tensor)
    return found


def write(folder: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write the moments to ``folder``."""
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, str(folder / FILE))


def restore(
    folder: Path,
    optimizer: Optimizer,
    model: nn.Module,
    layout: Callable[[Tensor, nn.Parameter], Tensor],
) -> None:
    """Put the moments back.

    Args:
        folder: where ``write`` has put them.
        optimizer: a fresh one over the parameters of ``model``.
        model: the model, wrapped as at saving or otherwise.
        layout: places a full CPU tensor of a parameter's shape as that parameter is placed.

    Raises:
        UserError: there is none, it is DeepSpeed's, or it belongs to another choice of learning parts.
    """
    if (folder / "deepspeed").is_dir():
        raise UserError(
            "the checkpoint's training state was written by DeepSpeed",
            str(folder),
            "resume with the engine that wrote it, or start a new run from its weights with model.checkpoint",
        )
    if not (folder / FILE).is_file():
        raise UserError(
            "the checkpoint has no optimiser state to go on with",
            str(folder),
            "start a new run from its weights with model.checkpoint; checkpoint.final_state keeps the state",
        )
    with safe_open(str(folder / FILE), framework="pt") as stored:
        keys = set(stored.keys())
        if not keys:  # saved before the first step
            return
        for name, parameter in model.named_parameters():
            if not parameter.requires_grad:
                continue
            own = {key.rpartition("/")[2] for key in keys if key.rpartition("/")[0] == name}
            if not own:
                raise UserError(
                    f"the training state has no moments of {name}",
                    str(folder),
                    "resume with the same stage, or set checkpoint.resume to never",
                )
            state = {}
            for key in sorted(own):
                tensor = stored.get_tensor(f"{name}/{key}")
                # a fused AdamW reads its step count where the parameter is
                state[key] = tensor.to(parameter.device) if key == "step" else layout(tensor, parameter)
            optimizer.state[parameter] = state
