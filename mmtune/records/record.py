"""The values that every room shares: a conversation about images, its turns, its image references."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mmtune.errors import RecordError

IMAGE_PLACEHOLDER = "<image>"
"""Marks the position of an image in the text of a user turn."""

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class ImageRef:
    """Where an image lies, or a video or one of its frames."""

    path: str
    """A POSIX path relative to the image root of its source."""
    video: bool = False
    """Whether it is a whole video (a file or a folder of frames), which stands at one placeholder."""
    frame: int | None = None
    """Which frame of the video is meant, counted from 0."""
    span: tuple[int, int] | None = None
    """First byte and number of bytes of the image in its file, where that holds more, as a shard does."""

    @property
    def is_video(self) -> bool:
        """Whether the path is that of a video."""
        return self.video or self.frame is not None


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side says; ``<image>`` in a user turn's text marks the position of an image."""

    role: Role
    text: str

    @property
    def placeholders(self) -> int:
        """Number of image positions in the text."""
        return self.text.count(IMAGE_PLACEHOLDER)


@dataclass(frozen=True, slots=True)
class Record:
    """One conversation about zero or more images."""

    id: str
    turns: tuple[Turn, ...]
    images: tuple[ImageRef, ...] = ()
    """In the order of their placeholders."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """Provenance, licence, evidence: JSON values that training does not read."""

    def check(self) -> None:
        """Refuse what cannot be trained on.

        Raises:
            RecordError: no turns, roles out of order, an empty answer, a placeholder outside the user turns,
                placeholders that do not match the images, or text that cannot be written as UTF-8.
        """
        _check_turns(self.id, self.turns)
        if not self.turns or self.turns[-1].role != "assistant":
            raise RecordError(
                "the conversation does not end with an answer", self.id, fix="add one or drop the turn"
            )
        _check_images(self.id, self.turns, self.images)


@dataclass(frozen=True, slots=True)
class Preference:
    """A prompt with a better and a worse answer."""

    id: str
    prompt: tuple[Turn, ...]
    """Ends with a turn of the user."""
    chosen: str
    rejected: str
    images: tuple[ImageRef, ...] = ()
    """In the order of their placeholders in the prompt."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """Provenance, licence, evidence: JSON values that training does not read."""
    chosen_facts: tuple[Mapping[str, Any], ...] = ()
    """What the chosen answer claims and what each claim rests on, as plain JSON; each has ``text``."""
    rejected_edits: tuple[Mapping[str, Any], ...] = ()
    """What is wrong in the rejected answer, as plain JSON; each has ``kind``."""
    margin: float | None = None
    """By how much the chosen answer was found better, in the units of whoever compared them."""

    def check(self) -> None:
        """Refuse a pair that cannot be trained on.

        Raises:
            RecordError: as for ``Record.check``, or when both answers are the same.
        """
        if not self.prompt or self.prompt[-1].role != "user":
            raise RecordError("the prompt does not end with a turn of the user", self.id)
        for answer in (self.chosen, self.rejected):
            Record(self.id, (*self.prompt, Turn("assistant", answer)), self.images).check()
        if self.chosen.split() == self.rejected.split():
            raise RecordError("the chosen and the rejected answer are the same", self.id)


def _check_turns(record_id: str, turns: tuple[Turn, ...]) -> None:
    if not turns:
        raise RecordError("the record has no turns", record_id)
    dialogue = turns[1:] if turns[0].role == "system" else turns
    for position, turn in enumerate(dialogue):
        due = "assistant" if position % 2 else "user"
        if turn.role != due:
            place = position + len(turns) - len(dialogue) + 1
            raise RecordError(f"turn {place} is from the {turn.role} where the {due} is due", record_id)
        if turn.role == "assistant" and not turn.text.strip():
            raise RecordError("an answer is empty, so there is nothing to learn from it", record_id)
    for turn in turns:
        try:
            turn.text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise RecordError(
                "the text holds half of a surrogate pair", record_id, fix="repair its \\u escapes"
            ) from error


def _check_images(record_id: str, turns: tuple[Turn, ...], images: tuple[ImageRef, ...]) -> None:
    for turn in turns:
        if turn.role != "user" and turn.placeholders:
            raise RecordError(
                f"text of the {turn.role} holds {IMAGE_PLACEHOLDER}", record_id, fix="move it to a user turn"
            )
    placeholders = sum(turn.placeholders for turn in turns)
    if placeholders != len(images):
        raise RecordError(
            f"the text has {placeholders} {IMAGE_PLACEHOLDER}, the record has {len(images)} image(s)",
            record_id,
            fix=f"write one {IMAGE_PLACEHOLDER} for each image",
        )
