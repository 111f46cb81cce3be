"""A teacher without a model: written rules answer, the same way every time, for tests and for dry runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from data_builders.teachers.base import (
    Answer,
    Failure,
    Reply,
    Request,
    Requests,
    UnusableError,
    Usage,
    check_text,
    stream,
)
from data_builders.teachers.ledger import CHARACTERS_A_TOKEN, estimate
from mmtune.errors import UserError

Rule = Callable[[Request], str]
"""Writes the answer to a request of one kind out of ``Request.facts``."""


class Rules:
    """Answers each kind of request by the rule of that name.

    Args:
        rules: by ``Request.kind``.
    """

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self.rules = rules

    @property
    def identity(self) -> Mapping[str, Any]:
        """Rules are no model, and records say so."""
        return {"kind": "rules", "model": "rules"}

    async def ask(self, requests: Requests) -> AsyncIterator[Answer]:
        """As ``Teacher.ask``; in the order of the requests, without waiting."""
        async for request in stream(requests):
            yield self.answer(request)

    def answer(self, request: Request) -> Answer:
        """One answer, at once."""
        rule = self.rules.get(request.kind)
        if rule is None:
            return Failure(request.id, "request", f"there is no rule for {request.kind!r}")
        text = rule(request)
        try:
            check_text(request, text)
            prompt = estimate(request).prompt_tokens
        except UnusableError as error:
            return Failure(request.id, "unusable", str(error))
        except UserError as error:
            return Failure(request.id, "picture", str(error))
        return Reply(request.id, text, Usage(prompt, int(len(text) / CHARACTERS_A_TOKEN + 1)), "rules")
