"""The model of a run with all of its weights on each rank, for as long as it answers questions."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import nn

from mmtune.errors import UserError
from mmtune.models.bundle import Bundle
from mmtune.models.vlm import VisionLanguageModel
from mmtune.train.engines.base import Engine

ROOM = 1.2
"""Free memory that is asked for, as a multiple of the weights: keys and values need some, too."""


class WholeModel:
    """Gives the model itself where every rank has all of its weights. Where an engine shards them, a copy of
    the model is filled with what the ranks gather, and gone afterwards: the copy has none of the engine's
    hooks, so that each rank can answer questions of its own, in as many steps as they take.

    Make it before the engine wraps the model, whose structure is copied without weights here.

    Args:
        bundle: with the model of the run.
        engine: that will hold the weights.
    """

    def __init__(self, bundle: Bundle, engine: Engine) -> None:
        self.bundle = bundle
        self.engine = engine
        self._hollow = _hollow(bundle.model) if engine.sharded else None

    @contextmanager
    def gathered(self) -> Iterator[Bundle]:
        """The model as it is now; every rank enters together.

        Raises:
            UserError: some rank's GPU has no room for all weights; every rank raises it.
        """
        if self._hollow is None:
            yield self.bundle
            return
        self._demand_room(self._hollow)
        model = self._filled(self._hollow)
        try:
            yield replace(self.bundle, model=model, policy=model.policy)
        finally:
            del model
            if self.engine.device.type == "cuda":
                torch.cuda.empty_cache()

    def _filled(self, hollow: VisionLanguageModel) -> VisionLanguageModel:
        shards = dict(self.bundle.model.named_parameters())
        memo: dict[int, nn.Parameter] = {}
        for name, empty in hollow.named_parameters():
            memo[id(empty)] = nn.Parameter(self.engine.whole(shards[name]), requires_grad=False)
        model = copy.deepcopy(hollow, memo).to(self.engine.device)
        buffers = dict(self.bundle.model.named_buffers())
        for name, buffer in model.named_buffers():
            buffer.copy_(buffers[name])
        return model.eval()

    def _demand_room(self, hollow: VisionLanguageModel) -> None:
        """A GPU that ran out of memory in mid-gathering would leave the others waiting."""
        device = self.engine.device
        needed = ROOM * sum(
            p.numel() * (self.engine.dtype if p.is_floating_point() else p.dtype).itemsize
            for p in hollow.parameters()
        )
        free = float("inf")
        if device.type == "cuda":
            unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
            free = torch.cuda.mem_get_info(device)[0] + unused
        short = self.engine.sum(float(needed > free))[0]
        if short:
            raise UserError(
                f"{short:.0f} of {self.engine.world} GPUs lack {needed / 1e9:.1f} GB for all weights beside"
                " the training",
                "eval.tasks",
                "evaluate the checkpoints with `mmtune eval` instead, or use more GPUs",
            )


def _hollow(model: VisionLanguageModel) -> VisionLanguageModel:
    """A copy without the numbers of its parameters; what is tied or shared stays so."""
    memo = {
        id(p): nn.Parameter(torch.empty_like(p, device="meta"), requires_grad=False)
        for p in model.parameters()
    }
    return copy.deepcopy(model, memo)
