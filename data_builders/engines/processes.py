"""All cores of one machine."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice

from data_builders.engines.base import Engine, R, T
from mmtune.errors import UserError

_AHEAD = 4
"""Items a worker that are under way or wait to be taken."""


class Processes(Engine):
    """Worker processes of this machine.

    They are spawned, not forked: the caller may hold threads (torch), which a fork leaves in a bad state.
    """

    def map(self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        queue = iter(items)
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(max_workers=self.workers, mp_context=context)
        try:
            under_way: deque[Future[R]] = deque(
                pool.submit(work, item) for item in islice(queue, _AHEAD * self.workers)
            )
            while under_way:
                result = under_way.popleft().result()
                under_way.extend(pool.submit(work, item) for item in islice(queue, 1))
                yield result
        except BrokenProcessPool as error:
            raise UserError(
                "a worker process was killed, most often because memory ran out",
                f"{self.workers} workers",
                "use fewer --workers",
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
