"""What the loop asks of an engine: wrap, backward, step, gather, save, load, and a few collectives."""

from __future__ import annotations

import contextlib
import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.optim import Optimizer

from mmtune.batch import PackedBatch
from mmtune.errors import UserError
from mmtune.train.engines.topology import Topology, export
from mmtune.train.settings import EngineConfig

log = logging.getLogger(__name__)

GroupsOf = Callable[[nn.Module], list[dict[str, Any]]]
"""Optimiser groups of a model, each with ``part``, ``lr``, ``peak_lr`` and ``weight_decay``."""

PartStates = dict[str, dict[str, Tensor]]
"""Full tensors on the CPU by part and by name inside the part."""


def state_of(model: nn.Module, part: str) -> dict[str, Tensor]:
    """Weights of a part as the model holds them, by their name in a checkpoint's files."""
    find: Callable[[str], dict[str, Tensor]] = model.state_of  # type: ignore[assignment]
    return find(part)


class EngineError(RuntimeError):
    """The engine is not what the recipe asked for; never passed over in silence."""


class Engine(ABC):
    """One way to run forward, backward and the optimiser.

    Args:
        config: precision, device, offloading.
        topology: this process's place.
    """

    name: ClassVar[str]
    distributed: ClassVar[bool] = True
    sharded: ClassVar[bool] = False
    """Whether a rank holds only part of the weights, so that it cannot generate answers alone."""

    model: nn.Module
    """The plain model, also after wrapping."""
    wrapped: Any
    """What runs a forward pass."""
    optimizer: Optimizer

    def __init__(self, config: EngineConfig, topology: Topology) -> None:
        self.config = config
        self.topology = topology
        self._owns_group = False
        self.device = choose_device(config, topology)
        self.dtype = choose_dtype(config, self.device)
        _set_threads(config, topology, self.device)
        if self.distributed:
            export(topology)
            self._start_process_group()

    @property
    def precision(self) -> str:
        """The precision that ``auto`` came down to."""
        return "bf16" if self.dtype == torch.bfloat16 else "fp32"

    @property
    def weights_dtype(self) -> torch.dtype:
        """Type in which ``wrap`` wants the weights that learn: float32, unless masters are made elsewhere."""
        return torch.float32

    @property
    def rank(self) -> int:
        """Rank of this process."""
        return self.topology.rank

    @property
    def world(self) -> int:
        """Number of processes."""
        return self.topology.world

    @abstractmethod
    def wrap(
        self,
        model: nn.Module,
        groups_of: GroupsOf,
        *,
        betas: tuple[float, float],
        eps: float,
        clip: float | None,
    ) -> None:
        """Take the model, build AdamW, and check that the wrapping is real.

        Raises:
            EngineError: the model is not wrapped as this engine's name says.
        """

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """What really wraps the model, measured on the wrapped objects (for logs and tests)."""

    @abstractmethod
    def load_state(self, folder: Path) -> None:
        """Restore what ``save_state`` wrote. Weights were loaded before ``wrap``."""

    @abstractmethod
    def save_state(self, folder: Path) -> None:
        """Write the optimiser's state; every rank calls it, with one shared folder."""

    @abstractmethod
    def part_states(self, parts: Sequence[str]) -> PartStates:
        """Full weights of these parts on rank 0 (empty on the others); every rank calls it."""

    def whole(self, parameter: nn.Parameter) -> Tensor:
        """All of a parameter in the type of the arithmetic, on this rank's device; every rank calls it."""
        return self._cast(parameter.detach())

    def _cast(self, weights: Tensor) -> Tensor:
        return weights.to(self.device, self.dtype if weights.is_floating_point() else None)

    @abstractmethod
    def step(self) -> float:
        """Clip, update, clear the gradients; returns the norm of the whole gradient before clipping."""

    def row(self, *, last: bool) -> AbstractContextManager[None]:
        """Around forward and backward of one row; ``last`` marks the last row of the step."""
        return contextlib.nullcontext()

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of ``loss``, which is this rank's share of a sum over all ranks."""
        (loss * self.world).backward()  # gradients are averaged over ranks; the loss is a sum

    def autocast(self) -> AbstractContextManager[Any]:
        """The precision of a forward pass."""
        return contextlib.nullcontext()

    def place(self, batch: PackedBatch) -> PackedBatch:
        """The row on this rank's device."""
        return batch.to(self.device)

    def sum(self, *values: float) -> list[float]:
        """Each value summed over all ranks."""
        if not self.distributed or self.world == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(total)
        return [float(value) for value in total.tolist()]

    def gather(self, value: Any) -> list[Any]:
        """Every rank's value, on every rank."""
        if not self.distributed or self.world == 1:
            return [value]
        values: list[Any] = [None] * self.world
        dist.all_gather_object(values, value)
        return values

    def barrier(self) -> None:
        """Wait for all ranks."""
        self.sum(0.0)

    def close(self) -> None:
        """Leave the process group, if this engine has made it."""
        if self._owns_group:
            dist.destroy_process_group()

    def _start_process_group(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
        if not dist.is_initialized():
            dist.init_process_group(
                "nccl" if self.device.type == "cuda" else "gloo",
                rank=self.rank,
                world_size=self.world,
                timeout=timedelta(minutes=self.config.timeout_minutes),
            )
            self._owns_group = True


def choose_device(config: EngineConfig, topology: Topology) -> torch.device:
    """The GPU of this local rank, or the CPU.

    Raises:
        UserError: a GPU is asked for and there is none for this rank.
    """
    available = torch.cuda.device_count() if config.device != "cpu" and torch.cuda.is_available() else 0
    if config.device == "cpu" or (config.device == "auto" and available == 0):
        return torch.device("cpu")
    if topology.local_rank >= available:
        raise UserError(
            f"this machine has {available} GPUs for {topology.local_world} processes",
            "engine.device",
            "start fewer processes, or set engine.device to cpu",
        )
    return torch.device("cuda", topology.local_rank)


def choose_dtype(config: EngineConfig, device: torch.device) -> torch.dtype:
    """The type of the arithmetic: what the recipe says, else bf16 on a GPU that has it, else float32.

    A processor without bf16 instructions is tens of times slower in bf16 than in float32.
    """
    if config.precision == "auto":
        has_bf16 = device.type == "cuda" and torch.cuda.get_device_capability(device)[0] >= 8
        return torch.bfloat16 if has_bf16 else torch.float32
    return torch.bfloat16 if config.precision == "bf16" else torch.float32


def _set_threads(config: EngineConfig, topology: Topology, device: torch.device) -> None:
    """Share the cores among the processes of this machine, unless the user has chosen."""
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    elif device.type == "cpu" and topology.world > 1 and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // topology.local_world))
