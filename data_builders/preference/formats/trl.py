"""TRL's conversational preferences with images, as its trainers of preferences take them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from data_builders.preference.formats.base import Format, id_of, no_videos, sound
from mmtune.errors import RecordError
from mmtune.records import IMAGE_PLACEHOLDER, ImageRef, Preference, Role, Turn

NAME = "trl"
_LEADING = re.compile(rf"(?:{IMAGE_PLACEHOLDER}\n)*")


def write(pair: Preference, index: int) -> dict[str, Any]:
    """``images``, ``prompt``, ``chosen``, ``rejected``: messages whose content is a list of parts.

    Images that stand on lines of their own before the text lose the line break, which a chat template sets
    itself; all others stay where they are in the text.

    Source: TRL's guide to vision data; train with ``max_length=None``, so that no image is cut.
    """
    no_videos(pair, "TRL")
    return {
        "images": [image.path for image in pair.images],
        "prompt": [{"role": turn.role, "content": parts(turn.text)} for turn in pair.prompt],
        "chosen": [{"role": "assistant", "content": [{"type": "text", "text": pair.chosen}]}],
        "rejected": [{"role": "assistant", "content": [{"type": "text", "text": pair.rejected}]}],
    }


def parts(text: str) -> list[dict[str, str]]:
    """A turn's text as images and texts."""
    found = _LEADING.match(text)
    lead = found[0] if found else ""
    content = [{"type": "image"} for _ in range(lead.count(IMAGE_PLACEHOLDER))]
    for place, piece in enumerate(text[len(lead) :].split(IMAGE_PLACEHOLDER)):
        if place:
            content.append({"type": "image"})
        if piece:
            content.append({"type": "text", "text": piece})
    return content


def read(row: Any, index: int) -> Preference:
    """A pair of TRL's; ``image`` in the place of ``images`` and contents that are texts are taken, too."""
    if not isinstance(row, dict):
        raise RecordError(f"the row is a {type(row).__name__}, not an object", row=index)
    pair_id = id_of(row, index)
    images = row["images"] if row.get("images") is not None else [row["image"]] if row.get("image") else []
    if not isinstance(images, list):
        raise RecordError("'images' is not a list", pair_id, index)
    refs = tuple(ImageRef(_path(pair_id, image, index)) for image in images)
    prompt = _turns(pair_id, row.get("prompt"), len(refs), index)
    answers = [_turns(pair_id, row.get(key), 0, index) for key in ("chosen", "rejected")]
    if any(len(turns) != 1 or turns[0].role != "assistant" for turns in answers):
        raise RecordError("'chosen' and 'rejected' are not one answer each", pair_id, index)
    return sound(Preference(pair_id, prompt, answers[0][0].text, answers[1][0].text, refs), index)


def _path(pair_id: str, value: Any, index: int) -> str:
    path = value.get("path") if isinstance(value, Mapping) else value
    if not isinstance(path, str) or not path:
        raise RecordError("an image has no path", pair_id, index, "give --unpack for images in the file")
    return path


def _turns(pair_id: str, messages: Any, images: int, index: int) -> tuple[Turn, ...]:
    """Messages as turns; where none has parts, all images stand before the first question."""
    if not isinstance(messages, list):
        raise RecordError("a conversation is not a list of messages", pair_id, index)
    turns: list[Turn] = []
    for message in messages:
        role = message.get("role") if isinstance(message, dict) else None
        if role not in ("system", "user", "assistant"):
            raise RecordError(f"a message is from {role!r}", pair_id, index)
        content = message.get("content")
        if isinstance(content, str):
            lead = f"{IMAGE_PLACEHOLDER}\n" * images if role == "user" else ""
            images = 0 if lead else images
            turns.append(Turn(cast(Role, role), lead + content))
        elif isinstance(content, list):
            turns.append(Turn(cast(Role, role), _joined(pair_id, content, index)))
        else:
            raise RecordError("a message's content is neither a text nor a list", pair_id, index)
    return tuple(turns)


def _joined(pair_id: str, content: Sequence[Any], index: int) -> str:
    text = ""
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "image":
            leading = not text.replace(f"{IMAGE_PLACEHOLDER}\n", "")
            text += f"{IMAGE_PLACEHOLDER}\n" if leading else IMAGE_PLACEHOLDER
        elif kind == "text" and isinstance(part.get("text"), str):
            text += part["text"]
        else:
            raise RecordError(f"a part of a message is of type {kind!r}", pair_id, index)
    return text


FORMAT = Format(
    NAME, "TRL's DPO and other preference trainers", write, read, (".jsonl", ".json", ".parquet"), ("images",)
)
