"""One item after the other in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from data_builders.engines.base import Engine, R, T


class Local(Engine):
    """No process but this one."""

    def map(self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        return map(work, items)
