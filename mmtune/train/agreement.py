"""Steps that all ranks take, end or refuse together, so that none waits in a collective for another."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmtune.data.loader import Step
from mmtune.errors import UserError
from mmtune.models.adapters.base import Adapter
from mmtune.train.engines.base import Engine
from mmtune.train.interrupt import StopRequest


@dataclass(frozen=True)
class GlobalStep:
    """This rank's rows of a step, and the step's sizes over all ranks."""

    own: Step
    supervised: int
    """Supervised tokens of the whole step: what its loss is divided by."""
    tokens: int
    rows: int


class LoaderError(Exception):
    """The loader of some rank failed; every rank raises this behind the same step, so that all can save.

    Args:
        reason: what this rank's own loader raised, or that another's did.
    """

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


def agreed_steps(
    steps: Iterable[Step], engine: Engine, stop: StopRequest | None = None
) -> Iterator[GlobalStep]:
    """Yield steps until they are through, or until any rank is asked to stop.

    Raises:
        LoaderError: the loader of any rank raised an error.
    """
    iterator = iter(steps)
    while True:
        step: Step | None = None
        error: Exception | None = None
        try:
            step = next(iterator, None)
        except Exception as own:  # noqa: BLE001 - raised again below, once the other ranks know of it
            error = own
        batches = step.batches if step is not None else []
        supervised, tokens, rows, failed, stopping = engine.sum(
            sum(batch.supervised for batch in batches),
            sum(batch.input_ids.numel() for batch in batches),
            len(batches),
            float(error is not None),
            float(stop is not None and stop.requested),
        )
        if failed:
            another = UserError("another process could not read its records", fix="see its message")
            raise LoaderError(error or another)
        if step is None or stopping:
            return
        yield GlobalStep(step, int(supervised), int(tokens), int(rows))


def demand_equal(what: Mapping[str, Any], engine: Engine) -> None:
    """Compare what must be the same on every rank: each plans the steps and reads the run folder by itself.

    Raises:
        UserError: names the processes that have it otherwise than the first; every rank raises it.
    """
    first, *others = engine.gather(dict(what))
    for key in first:
        different = [rank for rank, found in enumerate(others, 1) if found.get(key) != first[key]]
        if different:
            raise UserError(
                f"the processes do not agree on {key}: {_ranks(different)} found another than process 0",
                fix="give every machine the same data files and one shared run folder",
            )


def demand_whole_weights(adapters: Mapping[str, Adapter], engine: Engine) -> None:
    """Refuse an engine that shards what an adapter needs whole.

    Raises:
        UserError: names the adapter and the engines that do not shard weights.
    """
    for part, adapter in adapters.items():
        if adapter.whole_weights and engine.sharded:
            raise UserError(
                f"the {adapter.kind} adapter holds the {part} part in four bits, which the engine"
                f" {engine.name} cannot cut into shards",
                "engine.name",
                "use single, ddp, zero1 or zero2",
            )


def _ranks(ranks: Sequence[int]) -> str:
    more = f" and {len(ranks) - 4} more" if len(ranks) > 4 else ""
    return f"process{'es' if len(ranks) > 1 else ''} {', '.join(map(str, ranks[:4]))}{more}"


def demand_finite(
    value: float, what: str, step: GlobalStep, row_losses: Sequence[float], engine: Engine
) -> None:
    """Stop the run where a global value is not finite; every rank comes here with the same one.

    Args:
        value: the loss of the whole step, or the norm of its gradient.
        what: its name.
        step: the step.
        row_losses: summed loss of each of this rank's rows.
        engine: gathers the ids of the other ranks' records.

    Raises:
        UserError: names the step and the records of the rows that did it, or of all rows.
    """
    if math.isfinite(value):
        return
    rows = list(zip(row_losses, step.own.batches, strict=True))
    spoilt = [batch for loss, batch in rows if not math.isfinite(loss)]
    gathered = engine.gather(
        ([i for b in spoilt for i in b.record_ids], [i for _, b in rows for i in b.record_ids])
    )
    ids = [i for own, _ in gathered for i in own] or [i for _, own in gathered for i in own]
    raise UserError(
        f"the {what} of step {step.own.index + 1} is not finite; its records are {', '.join(ids[:8])}"
        f"{' …' if len(ids) > 8 else ''}",
        fix="look at these records, or lower optim.lr; the last checkpoint is from before this step",
    )
