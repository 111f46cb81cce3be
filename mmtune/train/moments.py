"""What Adam would make of one record's gradient, by the moments that a run left in its checkpoint."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from mmtune.errors import UserError
from mmtune.train.engines import optimizer_state
from mmtune.train.settings import OptimConfig
from mmtune.train.training_state import FOLDER, read_progress


@dataclass(frozen=True)
class Moments:
    """Adam's state at the step of a checkpoint.

    Args:
        means: parameter -> running mean of its gradients.
        squares: parameter -> running mean of their squares.
        steps: parameter -> optimiser steps done.
        betas: decay rates of both means.
        eps: what Adam adds to the root.
    """

    means: dict[str, Tensor]
    squares: dict[str, Tensor]
    steps: dict[str, float]
    betas: tuple[float, float]
    eps: float

    @classmethod
    def load(cls, checkpoint: Path, names: Iterable[str]) -> Moments:
        """Read the moments of some parameters.

        Raises:
            UserError: the checkpoint keeps none, or not those of all parameters.
        """
        folder = checkpoint / FOLDER
        fix = (
            "give a checkpoint that a run saved with its state (checkpoint.final_state), or leave --adam out"
        )
        found: dict[str, dict[str, Tensor]] = {"exp_avg": {}, "exp_avg_sq": {}, "step": {}}
        try:
            with safe_open(str(folder / optimizer_state.FILE), framework="pt") as stored:
                for name in names:
                    for key, tensors in found.items():
                        tensors[name] = stored.get_tensor(f"{name}/{key}").float()
        except (OSError, SafetensorError) as error:
            raise UserError(f"the checkpoint has no moments of Adam: {error}", str(folder), fix) from error
        optim = read_progress(folder).recipe.get("optim") or {}
        first, second = optim.get("betas") or OptimConfig.betas
        steps = {name: float(step) for name, step in found["step"].items()}
        eps = float(optim.get("eps") or OptimConfig.eps)
        return cls(found["exp_avg"], found["exp_avg_sq"], steps, (float(first), float(second)), eps)

    def update(self, name: str, gradient: Tensor) -> Tensor:
        """How a gradient moves its parameter, without the learning rate and weight decay."""
        first, second = self.betas
        gradient = gradient.detach().float().cpu()
        mean = first * self.means[name] + (1 - first) * gradient
        square = second * self.squares[name] + (1 - second) * gradient**2
        step = self.steps[name] + 1
        root = (square / (1 - second**step)).sqrt() + self.eps
        return mean / (1 - first**step) / root
