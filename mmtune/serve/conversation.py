"""A conversation about images and videos: the state that terminal chat and demo page share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from mmtune.errors import UserError
from mmtune.records import IMAGE_PLACEHOLDER, Turn

if TYPE_CHECKING:
    from PIL.Image import Image

    from mmtune.decode.engine import Clip, Engine, Settings


class Conversation:
    """Turns so far about some images, which stand in front of the first question or where that says so.

    Args:
        engine: answers.
        images: RGB images, and the frames of videos.
        turns: of an earlier part of the same conversation.
    """

    def __init__(
        self, engine: Engine, images: Sequence[Image | Clip] = (), turns: Sequence[Turn] = ()
    ) -> None:
        self.engine = engine
        self.images = tuple(images)
        self.turns = tuple(turns)

    def ask(self, question: str, settings: Settings) -> Iterator[str]:
        """Stream the answer to a question; the turn counts once the answer is complete.

        Args:
            question: the first one may say ``<image>`` where each image or video stands, in their order.
            settings: how the answer is generated.

        Raises:
            UserError: for an empty question, placeholders that do not match the images, or a question that
                the engine refuses.
        """
        from mmtune.decode.requests import Request

        question = question.strip()
        if not question:
            raise UserError("The question is empty", fix="write one")
        question = self._with_places(question)
        turns = (*self.turns, Turn("user", question))
        answer = ""
        for piece in self.engine.stream(Request(self.images, turns, id="the conversation"), settings):
            answer += piece
            yield piece
        self.turns = (*turns, Turn("assistant", answer))

    def _with_places(self, question: str) -> str:
        """The question with a placeholder for each image that has not been shown yet."""
        places = question.count(IMAGE_PLACEHOLDER)
        left = 0 if self.turns else len(self.images)
        if places and not left:
            raise UserError(
                f"A question must not contain {IMAGE_PLACEHOLDER} where no image is left to show",
                fix="give images first, and their places in the first question",
            )
        if places and places != left:
            raise UserError(
                f"The question says {IMAGE_PLACEHOLDER} {places} times, and there are {left} images to show",
                fix="say it once for each, or not at all: then they stand in front",
            )
        return question if places else f"{IMAGE_PLACEHOLDER}\n" * left + question
