"""Several processes that evaluate together: who asks what, and when all have done so."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from heapq import heapify, heapreplace
from typing import Any, TypeVar

from eval.asking import Ask

T = TypeVar("T")

IMAGE_COST = 600
"""What an image adds to the work for its questions, in tokens: about LLaVA-1.5's."""
LETTERS_A_TOKEN = 4
LONGEST_WAIT = timedelta(days=7)
"""For the other processes, which may have questions of another length."""


@dataclass(frozen=True)
class Peers:
    """The processes of one evaluation.

    Args:
        rank: this process's number.
        world: how many there are.
    """

    rank: int = 0
    world: int = 1

    @classmethod
    def from_environment(cls) -> Peers:
        """As ``torchrun`` has set it; alone where it has not.

        Processes that are several find each other here.
        """
        world = int(os.environ.get("WORLD_SIZE", "1"))
        if world == 1:
            return cls()
        from torch import distributed

        if not distributed.is_initialized():
            distributed.init_process_group("gloo", timeout=LONGEST_WAIT)
        return cls(int(os.environ["RANK"]), world)

    @property
    def device(self) -> str | None:
        """This process's own GPU, where there are several processes and GPUs."""
        if self.world == 1:
            return None
        import torch

        if not torch.cuda.is_available():
            return None
        return f"cuda:{int(os.environ.get('LOCAL_RANK', '0')) % torch.cuda.device_count()}"

    def wait(self) -> None:
        """Until all processes are here."""
        if self.world > 1:
            from torch import distributed

            distributed.barrier()

    def gather(self, value: T) -> list[T]:
        """The values of all processes by rank, in the first process; nothing in the others."""
        if self.world == 1:
            return [value]
        from torch import distributed

        found: list[Any] | None = [None] * self.world if self.rank == 0 else None
        distributed.gather_object(value, found)
        return found or []

    def mine(self, asks: Sequence[Ask]) -> list[Ask]:
        """This process's share of the work: all questions about an image go to one process.

        The longest piece of work goes first, always to the process that has least so far, so that all end at
        about the same time.
        """
        groups: dict[tuple[str, str], list[Ask]] = {}
        for ask in asks:
            groups.setdefault((ask.root, ask.image or ask.text), []).append(ask)
        if self.world == 1:
            return [ask for group in groups.values() for ask in group]
        loads = [(0, rank) for rank in range(self.world)]
        heapify(loads)
        mine: list[Ask] = []
        for group in sorted(groups.values(), key=work, reverse=True):
            load, rank = loads[0]
            heapreplace(loads, (load + work(group), rank))
            if rank == self.rank:
                mine += group
        return mine


def work(asks: Sequence[Ask]) -> int:
    """About how many tokens are read and written for questions about one first image, or about none."""
    images = {(image, ask.alteration) for ask in asks for image in ask.images}
    return IMAGE_COST * len(images) + sum(
        _length(ask) // LETTERS_A_TOKEN + ask.max_new_tokens for ask in asks
    )


def _length(ask: Ask) -> int:
    """Letters of the question and of what was said before it."""
    return len(ask.text) + sum(len(text) for turn in ask.history for text in turn)
