"""A Ray cluster, through Ray Data; where none is running, a local one with so many workers."""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from data_builders.engines.base import Engine, R, T
from mmtune.errors import UserError

_AHEAD = 64
"""Items a worker that are handed to Ray together; it holds them in its object store."""


class RayData(Engine):
    """Blocks of items as rows of a Ray data set.

    Files must be reachable under the same path from every machine of the cluster, and so must this package.

    Args:
        workers: processes of the local cluster, where ``RAY_ADDRESS`` names no running one.

    Raises:
        UserError: Ray is not installed, or cannot be reached or started.
    """

    def __init__(self, workers: int = 1) -> None:
        super().__init__(workers)
        try:
            import ray
            import ray.data
        except ImportError as error:
            raise UserError(
                "the engine ray needs Ray, which is not installed", "--engine", "pip install 'mmtune[ray]'"
            ) from error
        if not ray.is_initialized():
            _start(workers)

    def map(self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        import ray

        context = ray.data.DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False
        queue = iter(items)
        while window := list(islice(queue, _AHEAD * self.workers)):
            rows = [{"packed": pickle.dumps(item)} for item in window]
            data = ray.data.from_items(rows, override_num_blocks=min(len(rows), 4 * self.workers))
            for row in data.map(_Packed(work)).iter_rows():
                result, error = pickle.loads(row["packed"])
                if error is not None:
                    raise error
                yield result


def _start(workers: int) -> None:
    """Reach the cluster, or start a local one: twice, since Ray gives up after 30 s on a busy machine."""
    import ray

    # Ray Data tells of every data set, of which there is one for each window of items.
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    address = os.environ.get("RAY_ADDRESS")
    local: dict[str, Any] = {} if address else {"num_cpus": workers, "include_dashboard": False}
    for last in (False, True):
        try:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR", **local)
            return
        except Exception as error:  # Ray raises plain ones
            ray.shutdown()
            if last or address:
                where = address or f"a local Ray with {workers} workers"
                reason = str(error).strip().splitlines()[0].rstrip(".")
                raise UserError(
                    f"Ray cannot be reached or started: {reason}", where, "see whether `ray status` answers"
                ) from error


class _Packed:
    """Applies a function to a pickled item; an error travels as a value, so that it keeps its type."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self._work = work

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        try:
            result: tuple[Any, Exception | None] = (self._work(pickle.loads(row["packed"])), None)
        except Exception as error:  # noqa: BLE001 - raised again where the results are read
            result = (None, error)
        return {"packed": pickle.dumps(result)}
