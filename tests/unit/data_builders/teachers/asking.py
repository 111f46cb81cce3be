"""Short ways to ask a teacher in a test."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from data_builders.teachers.base import Answer, Failure, Message, Reply, Request, Teacher
from data_builders.teachers.openai_compatible import Endpoint, OpenAICompatible

KEY_VARIABLE = "TEST_TEACHER_KEY"


def request(name: str, text: str | None = None, **fields: Any) -> Request:
    """A question of one message."""
    return Request(name, (Message("user", text or f"question {name}"),), **fields)


def ask(teacher: Teacher, requests: Sequence[Request]) -> dict[str, Answer]:
    """All answers by the requests' ids; each must come once."""

    async def through() -> list[Answer]:
        return [answer async for answer in teacher.ask(requests)]

    answers = asyncio.run(through())
    assert sorted(answer.id for answer in answers) == sorted(item.id for item in requests)
    return {answer.id: answer for answer in answers}


def client(url: str, ledger: Any = None, *, model: str = "m", **settings: Any) -> OpenAICompatible:
    """A client that does not wait long."""
    quick = {"backoff_s": 0.01, "timeout_s": 30.0, "concurrency": 8, "key_variable": KEY_VARIABLE}
    return OpenAICompatible(Endpoint(url, model, **{**quick, **settings}), ledger)


def replies(answers: dict[str, Answer]) -> dict[str, Reply]:
    return {name: answer for name, answer in answers.items() if isinstance(answer, Reply)}


def failures(answers: dict[str, Answer]) -> dict[str, Failure]:
    return {name: answer for name, answer in answers.items() if isinstance(answer, Failure)}
