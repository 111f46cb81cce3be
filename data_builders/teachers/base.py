"""What a teacher is asked and what it answers: values, and the one method that every teacher has."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from data_builders.teachers.pictures import Picture
from mmtune.errors import UserError

Requests = Iterable["Request"] | AsyncIterable["Request"]
"""What is asked may come as it is made, so that a second question can wait for the first answer."""

Kind = Literal[
    "busy",
    "server",
    "timeout",
    "connection",
    "garbage",
    "unusable",
    "refused",
    "cut",
    "request",
    "picture",
    "waiting",
]
"""Why there is no answer: asked too fast, an error of the server, no answer in time, no connection, an answer
in no known form, one that the caller cannot use, a refusal, one cut at its longest, a request that the server
does not take, an image that cannot be sent, or an answer that is yet to come (batch files)."""


@dataclass(frozen=True)
class Message:
    """One turn of what the teacher reads; its images stand before its text, or in it."""

    role: Literal["system", "user", "assistant"]
    text: str
    images: tuple[Picture, ...] = ()
    in_place: bool = False
    """Whether the images stand where the text has ``<image>``, as often as there are images."""


@dataclass(frozen=True)
class Settings:
    """How the answer is to be made.

    Raises:
        UserError: at construction, for a value out of its range.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 1024
    """Longest answer; one that is cut there is a failure and never data."""
    seed: int = 0
    """Sent along where it is not 0; another seed is another request, also for the cache."""

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= 2:
            raise UserError(f"the temperature is {self.temperature}", fix="give a number from 0 to 2")
        if not 0 < self.top_p <= 1:
            raise UserError(f"top_p is {self.top_p}", fix="give a number above 0 and at most 1")
        if self.max_tokens < 1:
            raise UserError(f"max_tokens is {self.max_tokens}", fix="give at least 1")


@dataclass(frozen=True)
class Usage:
    """Tokens that were read and written, as the server counts them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True)
class Reply:
    """What the teacher wrote."""

    id: str
    """Of the request."""
    text: str
    usage: Usage = Usage()
    model: str = ""
    """As the server names it."""
    cached: bool = False
    """Whether it was asked and paid for earlier."""
    cut: bool = False
    """Whether it ends at the longest that was allowed, for a request that takes answers as they are."""


@dataclass(frozen=True)
class Failure:
    """Why a request has no answer; it is reported, and never written as data or kept in a cache."""

    id: str
    kind: Kind
    reason: str
    attempts: int = 1


Answer = Reply | Failure


class UnusableError(Exception):
    """Raised by ``Request.accept`` for an answer that is not in the form that was asked for."""


@dataclass(frozen=True)
class Request:
    """One question to a teacher."""

    id: str
    """Given back with the answer; the caller's own, different for each request that is under way."""
    messages: tuple[Message, ...]
    settings: Settings = Settings()
    schema: Mapping[str, Any] | None = None
    """JSON schema of the answer, for servers that can hold a model to one; the answer is then JSON."""
    accept: Callable[[str], object] | None = None
    """Reads the answer's text and raises ``UnusableError`` where it cannot: such an answer is asked for once
    more, and is neither cached nor handed on."""
    kind: str = ""
    """Name of the prompt; for reports, and for the rules that answer without a model."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What the prompt was made from; never sent, only read by rules that answer without a model."""
    as_it_is: bool = False
    """Whether an answer that was cut at its longest, and an empty one, are replies too. Data must not have
    them, and an evaluation must: there they are what the model says."""


class Teacher(Protocol):
    """Answers requests, in any order."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """Which model answers, as plain JSON; part of the cache's key and of a record's provenance."""
        ...

    def ask(self, requests: Requests) -> AsyncIterator[Answer]:
        """One answer for each request, as they come.

        Raises:
            UserError: for what no further request could get round: a wrong key, an endpoint that is down,
                a budget that is spent.
        """
        ...


def fingerprint(request: Request, identity: Mapping[str, Any]) -> str:
    """SHA-256 over all that an answer depends on: the model, messages, pixels, settings and schema."""
    content = {
        "teacher": dict(identity),
        "messages": [
            [message.role, message.text, [picture.sha256 for picture in message.images]]
            + ["in place"] * message.in_place
            for message in request.messages
        ],
        "settings": vars(request.settings),
        "schema": request.schema,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def check_text(request: Request, text: str) -> None:
    """Refuse an answer that is not in the form that was asked for.

    Raises:
        UnusableError: with the reason.
    """
    if not text.strip() and not request.as_it_is:
        raise UnusableError("the answer is empty")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UnusableError("the answer holds half of a surrogate pair") from error
    if request.schema is not None:
        try:
            json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UnusableError(f"the answer is not JSON: {error}") from error
    if request.accept is not None:
        request.accept(text)


async def stream(requests: Requests) -> AsyncIterator[Request]:
    """The requests as an asynchronous stream, whichever kind they come in."""
    if isinstance(requests, AsyncIterable):
        async for request in requests:
            yield request
    else:
        for request in requests:
            yield request
