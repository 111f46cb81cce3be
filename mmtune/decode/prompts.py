"""From a conversation to the ids that the language model reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmtune.decode.requests import Request
from mmtune.errors import UserError
from mmtune.wording import counted


class PromptEncoder:
    """Renders and tokenises requests for one model.

    Args:
        tokenizer: the language model's tokenizer.
        template: a chat template of ``mmtune.templates``.
        context: positions that the language model reads at most; None if it has no limit.
    """

    def __init__(self, tokenizer: Any, template: Any, context: int | None) -> None:
        self.tokenizer = tokenizer
        self.template = template
        self.context = context

    def check(self, request: Request, name: str) -> None:
        """Refuse a conversation that has no answer to give.

        Args:
            request: the request.
            name: what to call it in messages.

        Raises:
            UserError: if it does not end with a user turn, or its placeholders do not match its images.
        """
        if not request.turns or request.turns[-1].role != "user":
            raise UserError("the conversation does not end with a question", name, "end it with a user turn")
        places = sum(turn.placeholders for turn in request.turns if turn.role == "user")
        if places != len(request.images):
            raise UserError(
                f"the conversation has {counted(places, '<image> placeholder')} and"
                f" {counted(len(request.images), 'image')}",
                name,
                "write one <image> into the user turns for each image",
            )

    def instructions(self, request: Request) -> list[tuple[int, ...]]:
        """Ids of the instruction of each of a request's images, for a projector that reads them."""
        from mmtune.templates.instructions import instruction_ids

        return [tuple(ids) for ids in instruction_ids(request.turns, self.tokenizer)]

    def option(self, request: Request, text: str) -> list[int]:
        """Ids of ``text`` as the answer to a request, as training would have them, without what ends it."""
        from mmtune.records import Turn
        from mmtune.templates.segments import TextSegment, encode

        turns = (*request.turns, Turn("assistant", text))
        question = self.template.render(request.turns, generate=True)
        answer = self.template.render(turns)
        while len(answer) > len(question) and isinstance(answer[-1], TextSegment) and answer[-1].control:
            answer.pop()
        return encode(answer, self.tokenizer).ids[len(encode(question, self.tokenizer).ids) :]

    def encode(self, request: Request, token_counts: Sequence[int], name: str) -> list[int]:
        """Ids of one request, with each image at its full number of positions.

        Args:
            request: the request.
            token_counts: visual tokens of each of its images.
            name: what to call the request in messages.

        Raises:
            UserError: if the prompt fills the language model's context.
        """
        from mmtune.templates.segments import encode, expand

        segments = self.template.render(request.turns, generate=True)
        ids = list(expand(encode(segments, self.tokenizer), token_counts).ids)
        if self.context is not None and len(ids) >= self.context:
            raise UserError(
                f"the prompt has {len(ids)} tokens ({sum(token_counts)} of them visual), and the language "
                f"model reads at most {self.context}, the answer included",
                name,
                "shorten the conversation or use fewer images",
            )
        return ids
