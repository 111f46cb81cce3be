"""One process, one device."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mmtune.train.engines import optimizer_state
from mmtune.train.engines.base import Engine, EngineError, GroupsOf, PartStates, state_of


class Single(Engine):
    """Plain PyTorch, with autocast for bf16: float32 weights of what learns, bf16 arithmetic."""

    name: ClassVar[str] = "single"
    distributed: ClassVar[bool] = False

    def wrap(
        self,
        model: nn.Module,
        groups_of: GroupsOf,
        *,
        betas: tuple[float, float],
        eps: float,
        clip: float | None,
    ) -> None:
        """Move the model to the device and build AdamW over its trainable parameters."""
        self.model = model
        self.clip = clip
        self.wrapped = self._wrapped(model)
        self.optimizer = torch.optim.AdamW(groups_of(model), betas=betas, eps=eps, fused=True)
        self._trainable = [p for p in model.parameters() if p.requires_grad]
        self._verify()

    def _wrapped(self, model: nn.Module) -> Any:
        return model.to(self.device)

    def _verify(self) -> None:
        if self.wrapped is not self.model:
            raise EngineError("the engine single must run the plain model")

    def autocast(self) -> AbstractContextManager[Any]:
        """bf16 arithmetic where the recipe asks for it."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.dtype == torch.bfloat16)

    def step(self) -> float:
        """Clip by the norm of the whole gradient, update, clear; one that is not finite changes nothing."""
        limit = self.clip if self.clip is not None else float("inf")
        norm = self._norm(torch.nn.utils.clip_grad_norm_(self._trainable, limit))
        if math.isfinite(norm):
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return norm

    def _norm(self, norm: Tensor) -> float:
        return float(norm)

    def _whole(self, tensor: Tensor) -> Tensor:
        """Full copy on rank 0's CPU, detached from what training goes on to change."""
        if self.rank != 0:
            return torch.empty(0)
        return tensor.detach().to("cpu", copy=True)

    def _layout(self, tensor: Tensor, parameter: nn.Parameter) -> Tensor:
        return tensor.to(parameter.device)

    def part_states(self, parts: Sequence[str]) -> PartStates:
        """Full weights of these parts, on rank 0."""
        states: PartStates = {}
        for part in parts:
            tensors = {name: self._whole(value) for name, value in state_of(self.model, part).items()}
            if self.rank == 0:
                states[part] = tensors
        return states

    def save_state(self, folder: Path) -> None:
        """AdamW's moments, written by rank 0."""
        tensors = optimizer_state.collect(self.optimizer, self.model, self._whole)
        if self.rank == 0:
            optimizer_state.write(folder, tensors)

    def load_state(self, folder: Path) -> None:
        """AdamW's moments."""
        optimizer_state.restore(folder, self.optimizer, self.model, self._layout)

    def describe(self) -> dict[str, Any]:
        """Type of what runs the forward pass, and how many numbers this rank holds."""
        return {
            "engine": self.name,
            "wrapper": type(self.wrapped).__name__,
            "world": self.world,
            "device": str(self.device),
            "precision": self.precision,
            "optimizer": type(self.optimizer).__name__,
            "parameters_held": sum(p.numel() for p in self.model.parameters()),
            "trainable_held": sum(p.numel() for p in self._trainable),
        }
