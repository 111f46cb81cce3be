"""Steps that all ranks take, end or refuse together, so that none waits in a collective for another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mmtune.data.loader import Step
from mmtune.errors import UserError
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


def agreed_steps(
    steps: Iterable[Step], engine: Engine, stop: StopRequest | None = None
) -> Iterator[GlobalStep]:
    """Yield steps until they are through, or until any rank is asked to stop.

    Raises:
        UserError: the loader of any rank raised one.
    """
    iterator = iter(steps)
    while True:
        step, error = None, None
        try:
            step = next(iterator, None)
        except UserError as own:
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
            raise error or UserError("another process could not read its records", fix="see its message")
        if step is None or stopping:
            return
        yield GlobalStep(step, int(supervised), int(tokens), int(rows))
