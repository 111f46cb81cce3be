"""torch's DistributedDataParallel: every rank holds the whole model and averages gradients."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from typing import Any, ClassVar

from torch import nn
from torch.nn.parallel import DistributedDataParallel

from mmtune.train.engines.base import EngineError
from mmtune.train.engines.single import Single


class Ddp(Single):
    """DDP; gradients travel once a step, on the last row."""

    name: ClassVar[str] = "ddp"
    distributed: ClassVar[bool] = True

    def _wrapped(self, model: nn.Module) -> Any:
        # every trainable parameter gets a gradient from every row, so there are no unused ones to look for
        return DistributedDataParallel(model.to(self.device), gradient_as_bucket_view=True)

    def _verify(self) -> None:
        if not isinstance(self.wrapped, DistributedDataParallel):
            raise EngineError(f"the engine ddp runs a {type(self.wrapped).__name__}")

    def row(self, *, last: bool) -> AbstractContextManager[None]:
        """Rows before the last one keep their gradients local."""
        assert isinstance(self.wrapped, DistributedDataParallel)
        return contextlib.nullcontext() if last else self.wrapped.no_sync()

    def describe(self) -> dict[str, Any]:
        """As for one device, and the process group's backend."""
        assert isinstance(self.wrapped, DistributedDataParallel)
        backend = self.wrapped.process_group.name() if self.wrapped.process_group else None
        return {**super().describe(), "backend": backend, "group_size": self.wrapped.process_group.size()}
