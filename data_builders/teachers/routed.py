"""Two teachers as one: what one of them writes, the other judges."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

from data_builders.teachers.base import Answer, Request, Requests, Teacher, stream
from data_builders.teachers.ledger import BudgetError


class Routed:
    """Sends requests of some kinds to a labeller and all others to the writer.

    Args:
        writer: answers by default.
        labeller: answers ``kinds``.
        kinds: of ``Request.kind``.
    """

    def __init__(self, writer: Teacher, labeller: Teacher, kinds: frozenset[str]) -> None:
        self.writer, self.labeller, self.kinds = writer, labeller, kinds

    @property
    def identity(self) -> Mapping[str, Any]:
        """The writer's, and the labeller's under ``labeller``."""
        return {**self.writer.identity, "labeller": dict(self.labeller.identity)}

    async def ask(self, requests: Requests) -> AsyncIterator[Answer]:
        """As ``Teacher.ask``; both work at the same time.

        Each takes its own requests out of the stream as it can, so that a slow one holds up no more than
        what it is asked itself. Where the budget is spent for one of them, the other gets no new requests,
        and what it has under way is handed on.

        Raises:
            UserError: whatever one of them raises.
        """
        answers: asyncio.Queue[Answer | Exception | None] = asyncio.Queue()
        spent: BudgetError | None = None
        queues: list[asyncio.Queue[Request | None]] = [asyncio.Queue(), asyncio.Queue()]

        async def deal() -> None:
            try:
                async for request in stream(requests):
                    queues[request.kind in self.kinds].put_nowait(request)
            except Exception as error:  # noqa: BLE001 - handed to the reader, who raises it
                answers.put_nowait(error)
            for queue in queues:
                queue.put_nowait(None)

        async def own(queue: asyncio.Queue[Request | None]) -> AsyncIterator[Request]:
            while (request := await queue.get()) is not None and spent is None:
                yield request

        async def pump(teacher: Any, queue: asyncio.Queue[Request | None]) -> None:
            try:
                async with aclosing(teacher.ask(own(queue))) as found:
                    async for answer in found:
                        answers.put_nowait(answer)
            except Exception as error:  # noqa: BLE001 - handed to the reader, who raises it
                answers.put_nowait(error)
            else:
                answers.put_nowait(None)

        both = zip((self.writer, self.labeller), queues, strict=True)
        tasks = [asyncio.create_task(deal()), *(asyncio.create_task(pump(*pair)) for pair in both)]
        try:
            ended = 0
            while ended < len(queues):
                answer = await answers.get()
                if isinstance(answer, BudgetError):
                    spent = answer
                    for queue in queues:
                        queue.put_nowait(None)
                elif isinstance(answer, Exception):
                    raise answer
                if answer is None or answer is spent:
                    ended += 1
                elif not isinstance(answer, Exception):
                    yield answer
            if spent is not None:
                raise spent
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
