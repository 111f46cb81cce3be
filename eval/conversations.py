"""What is asked, as a conversation: earlier turns, the question, and where each image stands in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from mmtune.errors import UserError
from mmtune.records import IMAGE_PLACEHOLDER
from mmtune.wording import counted

if TYPE_CHECKING:
    from eval.asking import Ask
    from eval.tasks import Item


@dataclass(frozen=True)
class Said:
    """One turn of a conversation."""

    role: Literal["user", "assistant"]
    text: str
    """With ``<image>`` where an image stands inside it."""
    leading: int = 0
    """Images that stand before the text."""

    @property
    def images(self) -> int:
        """How many images the turn has."""
        return self.leading + (self.text.count(IMAGE_PLACEHOLDER) if self.role == "user" else 0)

    def pieces(self) -> list[str | None]:
        """The turn's texts in their order, None for each image; a text without letters is left out."""
        if self.role == "assistant":
            return [self.text]
        found: list[str | None] = [None] * self.leading
        for number, text in enumerate(self.text.split(IMAGE_PLACEHOLDER)):
            if number:
                found.append(None)
            if text.strip():
                found.append(text)
        return found


def conversation(ask: Ask) -> list[Said]:
    """The turns of an ask, the question last.

    Images stand where the users' turns have ``<image>``. Where none has it they all stand before the first
    turn, the protocol of LLaVA-1.5.
    """
    turns: list[Said] = []
    for user, assistant in ask.history:
        turns += [Said("user", user), Said("assistant", assistant)]
    turns.append(Said("user", ask.text))
    if not any(turn.images for turn in turns):
        turns[0] = replace(turns[0], leading=len(ask.images))
    return turns


def check(ask: Ask, turns: Sequence[Said]) -> None:
    """Refuse a conversation whose places are not as many as its images.

    Raises:
        UserError: with both numbers.
    """
    places = sum(turn.images for turn in turns)
    if places != len(ask.images):
        raise UserError(
            f"the conversation has {counted(places, '<image> placeholder')} and"
            f" {counted(len(ask.images), 'image')}",
            ask.text[:60],
            "write one <image> into the user turns for each image, or none at all",
        )


def without_images(item: Item) -> Item:
    """The same question with no image, and no place for one."""
    history = tuple((_unplaced(user), assistant) for user, assistant in item.history)
    return replace(item, image="", images=(), question=_unplaced(item.question), history=history)


def _unplaced(text: str) -> str:
    return text.replace(f"{IMAGE_PLACEHOLDER}\n", "").replace(IMAGE_PLACEHOLDER, "")
