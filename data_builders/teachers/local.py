"""A model on this machine as a teacher: a checkpoint of mmtune, through the engine of ``mmtune.decode``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from data_builders.teachers.base import (
    Answer,
    Failure,
    Kind,
    Message,
    Reply,
    Request,
    Requests,
    Settings,
    UnusableError,
    Usage,
    check_text,
)
from data_builders.teachers.concurrency import chunked
from mmtune.errors import UserError
from mmtune.records import IMAGE_PLACEHOLDER, Turn


class LocalModel:
    """Answers in batches with a ``mmtune.decode.engine.Engine``.

    Args:
        engine: the model.
        name: what records call it.
        batch_size: requests that are generated together.
    """

    def __init__(self, engine: Any, name: str, batch_size: int = 16) -> None:
        if batch_size < 1:
            raise UserError(f"the batch size is {batch_size}", fix="give at least 1")
        self.engine, self.name, self.batch_size = engine, name, batch_size

    @classmethod
    def from_checkpoint(cls, folder: Path, device: str | None = None, batch_size: int = 16) -> LocalModel:
        """A checkpoint of mmtune, such as one that ``mmtune import`` made of a model of the Hub.

        Raises:
            UserError: if it cannot be loaded.
        """
        from mmtune.decode.engine import Engine

        engine = Engine.from_checkpoint(folder, device)
        return cls(engine, f"{folder.name}-{_content(folder)[:12]}", batch_size)

    @property
    def identity(self) -> Mapping[str, Any]:
        """The checkpoint's folder name and content."""
        return {"kind": "mmtune", "model": self.name}

    async def ask(self, requests: Requests) -> AsyncIterator[Answer]:
        """As ``Teacher.ask``; one batch after the other."""
        async for group in chunked(requests, self.batch_size):
            for settings in dict.fromkeys(request.settings for request in group):
                alike = [request for request in group if request.settings == settings]
                for answer in await asyncio.to_thread(self._generate, alike, settings):
                    yield answer

    def _generate(self, requests: list[Request], settings: Settings) -> list[Answer]:
        from mmtune.decode.requests import Settings as DecodingSettings

        failures: dict[int, UserError] = {}
        # One request a call where answers are sampled: what is drawn depends on the place in the list.
        sizes = [1] * len(requests) if settings.temperature else [len(requests)]
        how = DecodingSettings(settings.max_tokens, settings.temperature, settings.top_p, settings.seed)
        completions: list[Any] = []
        for size in sizes:
            start = len(completions)
            part = requests[start : start + size]
            lost: dict[int, UserError] = {}
            completions += self.engine.generate(
                [_decoding_request(request) for request in part],
                how,
                batch_size=self.batch_size,
                failures=lost,
            )
            failures |= {start + index: error for index, error in lost.items()}
        return [
            _failed(request, "request", str(failures[index]))
            if index in failures
            else _answer(request, completions[index])
            for index, request in enumerate(requests)
        ]


def _decoding_request(request: Request) -> Any:
    from mmtune.decode.requests import Request as DecodingRequest

    pictures = [picture for message in request.messages for picture in message.images]
    keys = tuple(item.key for item in pictures)
    turns = tuple(_turn(message) for message in request.messages)
    return DecodingRequest([picture.open for picture in pictures], turns, keys, request.id)


def _turn(message: Message) -> Turn:
    """Images in front of the text, where they have no place in it."""
    leading = 0 if message.in_place else len(message.images)
    return Turn(message.role, f"{IMAGE_PLACEHOLDER}\n" * leading + message.text)


def _answer(request: Request, completion: Any) -> Answer:
    usage = Usage(completion.prompt_tokens, len(completion.ids))
    cut = completion.stopped == "length"
    if cut and not request.as_it_is:
        return _failed(request, "cut", f"the answer was cut at max_tokens = {request.settings.max_tokens}")
    try:
        check_text(request, completion.text)
    except UnusableError as error:
        return _failed(request, "unusable", str(error))
    return Reply(request.id, completion.text, usage, cut=cut)


def _failed(request: Request, kind: Kind, reason: str) -> Failure:
    return Failure(request.id, kind, reason)


def _content(folder: Path) -> str:
    """SHA-256 over the checkpoint's own files."""
    import hashlib

    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(str(file.relative_to(folder)).encode() + b"\0")
        with file.open("rb") as stored:
            while block := stored.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()
