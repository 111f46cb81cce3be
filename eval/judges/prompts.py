"""What a judge is told, in text files that a person can edit or replace."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from data_builders.teachers.base import Message
from data_builders.teachers.pictures import Picture
from eval.json_files import read_text
from mmtune.errors import UserError, unknown

SHIPPED = Path(__file__).parent / "prompts"
Role = Literal["system", "user", "assistant"]
_HEAD = re.compile(r"^## (system|user|assistant)[ \t]*\n", re.MULTILINE)
_PLACE = re.compile(r"\{\{ *(\w+) *\}\}")


@dataclass(frozen=True)
class Prompt:
    """Messages with places for the question, the answer and so on.

    The text holds sections ``## system``, ``## user`` and ``## assistant`` in the order of the messages;
    pairs of ``user`` and ``assistant`` before the last ``user`` are examples. ``{{ answer }}`` stands for the
    answer.
    """

    name: str
    text: str
    where: str
    """The file, for errors; ``shipped`` where it is mmtune's own."""

    @property
    def sha256(self) -> str:
        """Sixteen hexadecimal digits; figures are comparable only where this is the same."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]

    def described(self) -> dict[str, Any]:
        """For the result: what was told, in full."""
        return {"name": self.name, "sha256": self.sha256, "from": self.where, "text": self.text}

    def messages(self, facts: Mapping[str, str], pictures: tuple[Picture, ...] = ()) -> tuple[Message, ...]:
        """The prompt filled in, in one pass: a place that stands in an answer stays text.

        Args:
            facts: place → text.
            pictures: shown with the last message.
        """
        parts = _sections(self)
        return tuple(
            Message(
                role,
                _PLACE.sub(lambda place: facts[place[1]], text).strip(),
                pictures if number == len(parts) else (),
            )
            for number, (role, text) in enumerate(parts, start=1)
        )


def prompt_of(
    name: str, needs: Collection[str], knows: Collection[str] = (), file: Path | None = None
) -> Prompt:
    """The prompt that ships under a name, or the user's own in its place.

    Args:
        name: of the file that ships, without its ending.
        needs: places that it must have, as a judge who is not shown the answer cannot mark it.
        knows: further places that it may have.
        file: the user's own.

    Raises:
        UserError: if the file cannot be read, does not end with a user's message, lacks a place, or has
            one that nothing fills.
    """
    path = file or SHIPPED / f"{name}.md"
    prompt = Prompt(name, read_text(path), str(file) if file else "shipped")
    return checked(prompt, needs, knows)


def checked(prompt: Prompt, needs: Collection[str], knows: Collection[str] = ()) -> Prompt:
    """The prompt, if it has the places that it must have and no others; errors as ``prompt_of``."""
    sections = _sections(prompt)
    if not sections or sections[-1][0] != "user":
        raise UserError("The prompt does not end with a '## user' section", prompt.where, "add one")
    places = {place for _, text in sections for place in _PLACE.findall(text)}
    for place in sorted(places - {*needs, *knows}):
        raise unknown("place in the prompt", place, sorted({*needs, *knows}), prompt.where)
    if lacking := sorted({*needs} - places):
        raise UserError(
            f"The prompt has no place for {' and '.join(lacking)}",
            prompt.where,
            f"write {{{{ {lacking[0]} }}}} where it belongs",
        )
    return prompt


def _sections(prompt: Prompt) -> list[tuple[Role, str]]:
    parts = _HEAD.split(prompt.text)
    return [(cast(Role, role), text) for role, text in zip(parts[1::2], parts[2::2], strict=True)]
