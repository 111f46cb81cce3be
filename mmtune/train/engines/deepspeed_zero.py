"""DeepSpeed ZeRO: stage 1 shards the optimiser's state, 2 gradients, too, 3 parameters, too."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mmtune.errors import UserError
from mmtune.train.engines.base import Engine, EngineError, GroupsOf, PartStates, state_of
from mmtune.train.engines.topology import Topology
from mmtune.train.settings import EngineConfig

log = logging.getLogger(__name__)

_TAG = "deepspeed"


class _Zero(Engine):
    """One ZeRO stage. Rows of a step are counted here, not by DeepSpeed, so that their number may vary."""

    stage: ClassVar[int]

    def __init__(self, config: EngineConfig, topology: Topology) -> None:
        super().__init__(config, topology)
        # DeepSpeed picks its accelerator when it is first imported
        os.environ.setdefault("DS_ACCELERATOR", self.device.type)
        import deepspeed

        self._deepspeed = deepspeed
        logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
        # Its shared-memory collectives for CPU ranks are compiled at first use: minutes, and a lock file that
        # a killed run leaves for the next one to wait on. gloo does the same work.
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
        deepspeed.init_distributed(dist_init_required=False)

    @property
    def weights_dtype(self) -> torch.dtype:
        """DeepSpeed makes float32 masters of its own out of weights in the type of the arithmetic."""
        return self.dtype

    def wrap(
        self,
        model: nn.Module,
        groups_of: GroupsOf,
        *,
        betas: tuple[float, float],
        eps: float,
        clip: float | None,
    ) -> None:
        """Hand the model and its optimiser to DeepSpeed and check which stage came out.

        Raises:
            UserError: if the image policy lets ranks call the model's parts in different orders under ZeRO-3,
                where each would wait in another gather.
        """
        if self.stage == 3 and getattr(getattr(model, "policy", None), "native", False):
            raise UserError(
                "zero3 cannot gather weights for images whose patch grids differ from rank to rank",
                "engine.name",
                "use fsdp2 or zero2, or another model.image_policy",
            )
        self.model = model
        self._buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
        self._full_sizes = {name: p.numel() for name, p in model.named_parameters()}
        if self.stage < 3 or self.config.offload != "all":
            model.to(self.device)
        optimizer = torch.optim.AdamW(groups_of(model), betas=betas, eps=eps)
        self.wrapped, self.optimizer, _, _ = self._deepspeed.initialize(
            model=model, optimizer=optimizer, config=self._settings(clip)
        )
        self._restore_buffers()
        self._verify()

    def _settings(self, clip: float | None) -> dict[str, Any]:
        zero: dict[str, Any] = {
            "stage": self.stage,
            "contiguous_gradients": True,
            "overlap_comm": self.device.type == "cuda",
        }
        if self.config.offload != "none":
            zero["offload_optimizer"] = {"device": "cpu", "pin_memory": self.device.type == "cuda"}
        if self.config.offload == "all":
            zero["offload_param"] = {"device": "cpu", "pin_memory": self.device.type == "cuda"}
        # Rows of a step add up in float32 where that is done on shards; under ZeRO-1 and 2 it would cost each
        # rank four more bytes for every number.
        sums = {"data_types": {"grad_accum_dtype": "fp32"}} if self.stage == 3 else {}
        return {
            **sums,
            "train_micro_batch_size_per_gpu": 1,
            "gradient_accumulation_steps": 1,
            "gradient_clipping": clip or 0.0,
            "bf16": {"enabled": self.dtype == torch.bfloat16},
            "zero_optimization": zero,
            "zero_allow_untested_optimizer": True,
            "zero_force_ds_cpu_optimizer": False,
            "steps_per_print": 2**62,
            "wall_clock_breakdown": False,
        }

    def _restore_buffers(self) -> None:
        """Older DeepSpeeds cast buffers, too; rotary frequencies in bfloat16 would shift positions."""
        for name, before in self._buffers.items():
            owner_name, _, attribute = name.rpartition(".")
            owner = self.model.get_submodule(owner_name)
            now = getattr(owner, attribute)
            if now.dtype != before.dtype:
                setattr(owner, attribute, before.to(now.device))

    def _verify(self) -> None:
        if not isinstance(self.wrapped, self._deepspeed.DeepSpeedEngine):
            raise EngineError(f"the engine {self.name} runs a {type(self.wrapped).__name__}")
        found = self.wrapped.zero_optimization_stage()
        if found != self.stage:
            raise EngineError(f"the engine {self.name} came out as ZeRO stage {found}")
        partitioned = all(hasattr(p, "ds_id") for p in self.model.parameters())
        if partitioned != (self.stage == 3):
            raise EngineError(
                f"the engine {self.name} has {'' if partitioned else 'no '}partitioned parameters"
            )
        held, full = self._optimizer_numbers(), self._trainable_numbers()
        if self.world > 1 and held >= full:
            raise EngineError(
                f"the engine {self.name} holds optimiser state for {held} of {full} numbers: not sharded"
            )

    def _optimizer_numbers(self) -> int:
        """Master weights that this rank's optimiser holds."""
        optimizer: Any = self.optimizer
        if self.stage == 3:
            return sum(int(group.numel()) for group in optimizer.fp32_partitioned_groups_flat)
        return sum(int(p.numel()) for group in optimizer.optimizer.param_groups for p in group["params"])

    def _trainable_numbers(self) -> int:
        trainable = [name for name, p in self.model.named_parameters() if p.requires_grad]
        return sum(self._full_sizes[name] for name in trainable)

    def row(self, *, last: bool) -> AbstractContextManager[None]:
        """Tell DeepSpeed whether the optimiser steps after this row."""
        self.wrapped.set_gradient_accumulation_boundary(last)
        return nullcontext()

    def backward(self, loss: Tensor) -> None:
        """Add the gradient; DeepSpeed averages over ranks, the loss is a sum."""
        self.wrapped.backward(loss * self.world)

    def step(self) -> float:
        """Clip and update, as DeepSpeed was told at the start; NaN where the gradient was not finite."""
        self.wrapped.step()
        norm = self.wrapped.get_global_grad_norm()
        # a gradient that overflows leaves the norm at -1, at infinity or at that of the step before
        if norm is None or norm < 0 or getattr(self.optimizer, "overflow", False):
            return float("nan")
        return float(norm)

    def part_states(self, parts: Sequence[str]) -> PartStates:
        """Full weights of these parts, on rank 0; float32 masters where they learn."""
        states: PartStates = {}
        for part in parts:
            tensors = dict[str, Tensor]()
            for name, value in state_of(self.model, part).items():
                whole = self._whole(value) if isinstance(value, nn.Parameter) else value.detach()
                if self.rank == 0:
                    tensors[name] = whole.to("cpu", copy=True)
            if self.rank == 0:
                states[part] = tensors
        return states

    def _whole(self, parameter: nn.Parameter) -> Tensor:
        from deepspeed.utils import safe_get_full_fp32_param

        if parameter.requires_grad:
            master = safe_get_full_fp32_param(parameter)
            if master is not None:
                return master.detach().reshape(getattr(parameter, "ds_shape", parameter.shape))
        if self.stage < 3:
            return parameter.detach()
        with self._deepspeed.zero.GatheredParameters([parameter]):
            return parameter.detach().clone()

    def whole(self, parameter: nn.Parameter) -> Tensor:
        """As every engine's; the parts of stage 3 are gathered."""
        if self.stage < 3:
            return super().whole(parameter)
        with self._deepspeed.zero.GatheredParameters([parameter]):
            return self._cast(parameter.detach().clone())

    def save_state(self, folder: Path) -> None:
        """DeepSpeed's own files, without frozen parameters."""
        self.wrapped.save_checkpoint(str(folder), tag=_TAG, save_latest=False, exclude_frozen_parameters=True)

    def load_state(self, folder: Path) -> None:
        """DeepSpeed's own files.

        Raises:
            UserError: they are missing or were written by another number of processes.
        """
        if not (folder / _TAG).is_dir():
            raise UserError(
                "the checkpoint's training state was not written by DeepSpeed",
                str(folder),
                "resume with the engine that wrote it",
            )
        from deepspeed.runtime.zero.utils import ZeRORuntimeException

        try:
            loaded, _ = self.wrapped.load_checkpoint(str(folder), tag=_TAG, load_module_strict=False)
        except ZeRORuntimeException as error:
            raise UserError(
                f"DeepSpeed cannot use its training state with {self.world} processes: {error}".rstrip("."),
                str(folder),
                "start as many as wrote it, or start a new run from its weights with model.checkpoint",
            ) from error
        if loaded is None:
            raise UserError("DeepSpeed could not read its training state", str(folder))

    def describe(self) -> dict[str, Any]:
        """The ZeRO stage and the sizes that this rank really holds."""
        parameters = list(self.model.parameters())
        held = sum(int(p.ds_tensor.numel()) if hasattr(p, "ds_tensor") else p.numel() for p in parameters)
        return {
            "engine": self.name,
            "wrapper": type(self.wrapped).__name__,
            "world": self.world,
            "device": str(self.device),
            "precision": self.precision,
            "optimizer": type(self.optimizer).__name__,
            "zero_stage": self.wrapped.zero_optimization_stage(),
            "partitioned_parameters": len([p for p in parameters if hasattr(p, "ds_id")]),
            "parameters_full": sum(self._full_sizes.values()),
            "parameters_held": held,
            "trainable_full": self._trainable_numbers(),
            "optimizer_held": self._optimizer_numbers(),
        }


class Zero1(_Zero):
    """Optimiser state is sharded."""

    name: ClassVar[str] = "zero1"
    stage: ClassVar[int] = 1


class Zero2(_Zero):
    """Optimiser state and gradients are sharded."""

    name: ClassVar[str] = "zero2"
    stage: ClassVar[int] = 2


class Zero3(_Zero):
    """Optimiser state, gradients and parameters are sharded."""

    name: ClassVar[str] = "zero3"
    stage: ClassVar[int] = 3
    sharded: ClassVar[bool] = True
