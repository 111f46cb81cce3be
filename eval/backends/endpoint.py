"""A model behind an OpenAI-compatible endpoint (vLLM, SGLang, commercial ones), through the teachers' client.

The client is that of the data builders: it bounds what is under way, waits where the server asks for it,
tries again what may pass, and keeps the key to itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from data_builders.teachers.base import Answer as TeacherAnswer
from data_builders.teachers.base import Message, Reply, Settings
from data_builders.teachers.base import Request as TeacherRequest
from data_builders.teachers.openai_compatible import Endpoint as Address
from data_builders.teachers.openai_compatible import OpenAICompatible
from eval.asking import Ask
from eval.backends.base import Answer, Opening
from eval.backends.images import AlteredPicture
from eval.conversations import check, conversation
from mmtune.errors import UserError
from mmtune.records import ImageRef


class Endpoint:
    """A model that is asked over HTTP.

    Args:
        client: asks it.
    """

    def __init__(self, client: OpenAICompatible) -> None:
        self.client = client

    @classmethod
    def open(cls, place: str, opening: Opening) -> Endpoint:
        """The model of ``URL#MODEL``, as ``http://127.0.0.1:8000/v1#llava``; the batch is what is under way.

        Raises:
            UserError: if the place is none.
        """
        url, _, model = place.partition("#")
        if not model:
            raise UserError(
                "the endpoint's model is not named",
                place,
                "write URL#MODEL, as http://127.0.0.1:8000/v1#llava",
            )
        return cls(OpenAICompatible(Address(url, model, concurrency=opening.batch_size)))

    def identity(self) -> Mapping[str, Any]:
        """Address and name of the model. What weights the server has loaded under it nobody can tell."""
        return self.client.identity

    def ask(self, asks: Sequence[Ask]) -> Iterator[tuple[int, Answer | UserError]]:
        """As ``Backend.ask``; an answer that was cut at its longest, and an empty one, are answers.

        Raises:
            UserError: if options are to be ranked, the key is refused, or the endpoint is down.
        """
        if any(ask.how != "generate" for ask in asks):
            raise UserError(
                "an endpoint does not tell how likely options are", "openai", "use --how generate"
            )
        good: list[TeacherRequest] = []
        for place, ask in enumerate(asks):
            try:
                good.append(_request(place, ask))
            except UserError as error:
                yield place, error
        answers = self.client.ask(good)
        for answer in _waited_for(answers):
            if isinstance(answer, Reply):
                yield int(answer.id), Answer(answer.text.strip(), "length" if answer.cut else "stop")
            else:
                yield int(answer.id), UserError(f"{answer.kind}: {answer.reason}")


def _request(place: int, ask: Ask) -> TeacherRequest:
    """The request for an ask.

    Raises:
        UserError: if its places do not match its images.
    """
    turns = conversation(ask)
    check(ask, turns)
    root, alteration = Path(ask.root), ask.alteration
    pictures = iter([AlteredPicture(root, ImageRef(image), alteration=alteration) for image in ask.images])
    messages = tuple(
        Message(
            said.role, said.text, tuple(islice(pictures, said.images)), in_place=said.images > said.leading
        )
        for said in turns
    )
    return TeacherRequest(str(place), messages, Settings(max_tokens=ask.max_new_tokens), as_it_is=True)


def _waited_for(answers: AsyncIterator[TeacherAnswer]) -> Iterator[TeacherAnswer]:
    """What an asynchronous stream gives, as an ordinary one."""
    loop = asyncio.new_event_loop()
    try:
        while True:
            try:
                yield loop.run_until_complete(anext(answers))
            except StopAsyncIteration:
                return
    finally:
        loop.run_until_complete(answers.aclose())  # type: ignore[attr-defined]
        loop.close()
