"""Many requests under way at once, and never more than allowed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from data_builders.teachers.base import Answer, Request, Requests, stream
from data_builders.teachers.ledger import BudgetError


class _End:
    pass


_END: Final = _End()


async def bounded(
    work: Callable[[Request], Awaitable[Answer]], requests: Requests, limit: int
) -> AsyncIterator[Answer]:
    """Answers of at most ``limit`` pieces of work at once, as they are done; nothing is read ahead.

    Raises:
        BudgetError: after what was under way, and is paid for, has been handed on.
        Exception: whatever a piece of work raises, at once; the others are called off.
    """
    source = stream(requests)
    coming: asyncio.Task[Request | _End] | None = None
    tasks: set[asyncio.Task[Answer]] = set()
    over, spent = False, None
    try:
        while True:
            if coming is None and not over and len(tasks) < limit:
                coming = asyncio.create_task(_next(source))
            awaited = {*tasks, *([coming] if coming else [])}
            if not awaited or (spent and not tasks):
                break
            done, _ = await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in tasks if task in done]:
                tasks.discard(task)
                try:
                    answer = task.result()
                except BudgetError as error:
                    over, spent = True, error
                    continue
                yield answer
            if coming is not None and coming in done:
                request, coming = coming.result(), None
                if isinstance(request, _End):
                    over = True
                elif not spent:
                    tasks.add(asyncio.create_task(_run(work, request)))
        if spent:
            raise spent
    finally:
        left = [*tasks, *([coming] if coming else [])]
        for unfinished in left:
            unfinished.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def chunked(requests: Requests, size: int, wait_s: float = 0.02) -> AsyncIterator[list[Request]]:
    """The requests in groups of up to ``size``: whatever is there, without waiting for a full group."""
    source = stream(requests)
    group: list[Request] = []
    coming = asyncio.create_task(_next(source))
    try:
        while True:
            await asyncio.wait({coming}, timeout=wait_s if group else None)
            if not coming.done():
                yield group
                group = []
                continue
            request = coming.result()
            if isinstance(request, _End):
                break
            group.append(request)
            coming = asyncio.create_task(_next(source))
            if len(group) == size:
                yield group
                group = []
        if group:
            yield group
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)


async def _next(source: AsyncIterator[Request]) -> Request | _End:
    try:
        return await source.__anext__()
    except StopAsyncIteration:
        return _END


async def _run(work: Callable[[Request], Awaitable[Answer]], request: Request) -> Answer:
    return await work(request)
