"""A conversation about images: the state that terminal chat and demo page share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from mmtune.errors import UserError
from mmtune.records import IMAGE_PLACEHOLDER, Turn

if TYPE_CHECKING:
    from PIL.Image import Image

    from mmtune.decode.engine import Engine, Settings


class Conversation:
    """Turns so far about some images, which stand in front of the first question.

    Args:
        engine: answers.
        images: RGB images.
        turns: of an earlier part of the same conversation.
    """

    def __init__(self, engine: Engine, images: Sequence[Image] = (), turns: Sequence[Turn] = ()) -> None:
        self.engine = engine
        self.images = tuple(images)
        self.turns = tuple(turns)

    def ask(self, question: str, settings: Settings) -> Iterator[str]:
        """Stream the answer to a question; the turn counts once the answer is complete.

        Raises:
            UserError: for an empty question, one that holds the image placeholder, or one that the engine
                refuses.
        """
        from mmtune.decode.requests import Request

        question = question.strip()
        if not question:
            raise UserError("The question is empty", fix="write one")
        if IMAGE_PLACEHOLDER in question:
            raise UserError(
                f"A question must not contain {IMAGE_PLACEHOLDER}", fix="images go in front by themselves"
            )
        if not self.turns:
            question = f"{IMAGE_PLACEHOLDER}\n" * len(self.images) + question
        turns = (*self.turns, Turn("user", question))
        answer = ""
        for piece in self.engine.stream(Request(self.images, turns, id="the conversation"), settings):
            answer += piece
            yield piece
        self.turns = (*turns, Turn("assistant", answer))
