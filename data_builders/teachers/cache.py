"""Answers that were already paid for: a SQLite file, keyed by all that an answer depends on."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

from data_builders.teachers.base import (
    Answer,
    Failure,
    Reply,
    Request,
    Requests,
    Teacher,
    UnusableError,
    Usage,
    check_text,
    fingerprint,
    stream,
)
from mmtune.errors import UserError

_TABLE = """
CREATE TABLE IF NOT EXISTS replies (
    key TEXT PRIMARY KEY, text TEXT NOT NULL, model TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL
) WITHOUT ROWID
"""


class ReplyStore:
    """Replies by fingerprint; only a ``Reply`` can be put in, never a ``Failure``.

    Each reply is one transaction in a write-ahead log: a killed process loses none and leaves no half one.

    Args:
        path: the SQLite file; made where there is none.

    Raises:
        UserError: if the file cannot be opened or is something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, timeout=60)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.execute(_TABLE)
            self._database.commit()
        except (OSError, sqlite3.Error) as error:
            raise UserError(f"the cache cannot be opened: {error}", str(path), "name another file") from error

    def get(self, key: str, request_id: str) -> Reply | None:
        """The stored reply under this key, for the request of this id."""
        row = self._database.execute(
            "SELECT text, model, prompt_tokens, completion_tokens FROM replies WHERE key = ?", (key,)
        ).fetchone()
        if row is None:
            return None
        return Reply(request_id, row[0], Usage(row[2], row[3]), row[1], cached=True)

    def put(self, key: str, reply: Reply) -> None:
        """Keep a reply, in place of one that could no longer be used."""
        with self._database:
            self._database.execute(
                "INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?, ?)",
                (key, reply.text, reply.model, reply.usage.prompt_tokens, reply.usage.completion_tokens),
            )

    def __len__(self) -> int:
        return int(self._database.execute("SELECT COUNT(*) FROM replies").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self._database.close()


class Cached:
    """A teacher that answers from the store what it was asked before, and asks equal requests once.

    Args:
        teacher: is asked what the store does not have.
        store: gets its replies, and none of its failures.
    """

    def __init__(self, teacher: Teacher, store: ReplyStore) -> None:
        self.teacher = teacher
        self.store = store

    @property
    def identity(self) -> Mapping[str, Any]:
        """That of the teacher behind it."""
        return self.teacher.identity

    async def ask(self, requests: Requests) -> AsyncIterator[Answer]:
        """As ``Teacher.ask``."""
        answers: asyncio.Queue[Answer | Exception | None] = asyncio.Queue(maxsize=64)
        waiting: dict[str, list[Request]] = {}
        key_of: dict[str, str] = {}

        async def misses() -> AsyncIterator[Request]:
            async for request in stream(requests):
                try:
                    key = fingerprint(request, self.identity)
                except UserError as error:
                    await answers.put(Failure(request.id, "picture", str(error)))
                    continue
                if key in waiting:
                    waiting[key].append(request)
                elif (known := self._known(key, request)) is not None:
                    await answers.put(known)
                else:
                    waiting[key], key_of[request.id] = [request], key
                    yield request

        async def pump() -> None:
            try:
                async with aclosing(_closable(self.teacher.ask(misses()))) as replies:
                    async for answer in replies:
                        key = key_of.pop(answer.id)
                        if isinstance(answer, Reply):
                            self.store.put(key, answer)
                        for place, request in enumerate(waiting.pop(key)):
                            await answers.put(_given(answer, request, again=place > 0))
            except Exception as error:  # noqa: BLE001 - handed to the reader, who raises it
                await answers.put(error)
            else:
                await answers.put(None)

        pumping = asyncio.create_task(pump())
        try:
            while (answer := await answers.get()) is not None:
                if isinstance(answer, Exception):
                    raise answer
                yield answer
        finally:
            pumping.cancel()
            await asyncio.gather(pumping, return_exceptions=True)

    def _known(self, key: str, request: Request) -> Reply | None:
        """The stored reply, if it can be used by the rules of now: a parser may have become stricter."""
        reply = self.store.get(key, request.id)
        if reply is None:
            return None
        try:
            check_text(request, reply.text)
        except UnusableError:
            return None
        return reply


def _given(answer: Answer, request: Request, *, again: bool) -> Answer:
    """An answer for each of the equal requests that waited for it; only the first was paid for."""
    if isinstance(answer, Reply):
        return replace(answer, id=request.id, cached=answer.cached or again)
    return replace(answer, id=request.id)


def _closable(answers: AsyncIterator[Answer]) -> Any:
    """Every teacher's ``ask`` is an asynchronous generator, which the protocol's type does not say."""
    return answers
