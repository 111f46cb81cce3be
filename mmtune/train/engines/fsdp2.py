"""torch's FSDP2 (``fully_shard``): parameters, gradients and moments are sharded over all ranks."""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, Shard, distribute_tensor

from mmtune.train.engines.base import EngineError
from mmtune.train.engines.single import Single


class Fsdp2(Single):
    """Each transformer layer is one unit that is gathered when it runs; the rest of the model is one more."""

    name: ClassVar[str] = "fsdp2"
    distributed: ClassVar[bool] = True
    sharded: ClassVar[bool] = True

    def _wrapped(self, model: nn.Module) -> Any:
        mesh = init_device_mesh(self.device.type, (self.world,))
        policy = MixedPrecisionPolicy()
        if self.dtype == torch.bfloat16:
            policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
        # fully_shard moves each unit to the GPU when it cuts it, so that no GPU ever holds the whole model.
        # The logits are a view of the language model's output, and nothing changes them through autograd
        warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view")
        blocks: Any = model.blocks
        for unit in blocks():
            fully_shard(unit, mesh=mesh, mp_policy=policy)
        fully_shard(model, mesh=mesh, mp_policy=policy)
        return model

    def _verify(self) -> None:
        if not isinstance(self.model, FSDPModule):
            raise EngineError("the engine fsdp2 runs a model that fully_shard did not take")
        for name, parameter in self.model.named_parameters():
            if not (isinstance(parameter, DTensor) and parameter.placements == (Shard(0),)):
                raise EngineError(f"the engine fsdp2 left the parameter {name} unsharded")

    def autocast(self) -> AbstractContextManager[Any]:
        """The mixed-precision policy casts parameters; autocast on top would keep float32 activations."""
        return nullcontext()

    def _norm(self, norm: Tensor) -> float:
        return float(norm.full_tensor() if isinstance(norm, DTensor) else norm)

    def whole(self, parameter: nn.Parameter) -> Tensor:
        """As every engine's; the shards are gathered."""
        weights = parameter.detach()
        return self._cast(weights.full_tensor() if isinstance(weights, DTensor) else weights)

    def _whole(self, tensor: Tensor) -> Tensor:
        full = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
        return full.detach().to("cpu", copy=True) if self.rank == 0 else torch.empty(0)

    def _layout(self, tensor: Tensor, parameter: nn.Parameter) -> Tensor:
        assert isinstance(parameter, DTensor)
        return distribute_tensor(tensor.to(self.device), parameter.device_mesh, parameter.placements)

    def describe(self) -> dict[str, Any]:
        """Types and placements of the parameters, and the share of them that this rank holds."""
        parameters = list(self.model.parameters())
        return {
            **super().describe(),
            "wrapper": "FSDPModule" if isinstance(self.model, FSDPModule) else type(self.model).__name__,
            "units": sum(isinstance(module, FSDPModule) for module in self.model.modules()),
            "parameter_types": sorted({type(p.data).__name__ for p in parameters}),
            "placements": sorted({str(p.placements) for p in parameters if isinstance(p, DTensor)}),
            "parameters_full": sum(p.numel() for p in parameters),
            "parameters_held": sum(p.to_local().numel() for p in parameters if isinstance(p, DTensor)),
            "trainable_held": sum(p.to_local().numel() for p in self._trainable if isinstance(p, DTensor)),
        }
