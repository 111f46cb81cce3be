"""One row of LLaVA JSON, the format in which people keep conversations about images."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mmtune.errors import RecordError
from mmtune.records.record import IMAGE_PLACEHOLDER, ImageRef, Record, Role, Turn

VIDEO_PLACEHOLDER = "<video>"
"""Marks the position of a video in LLaVA JSON; inside, a video stands at ``IMAGE_PLACEHOLDER``, too."""

_ROLE_OF: dict[str, Role] = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "system": "system",
}
_LLAVA_NAME: dict[Role, str] = {"user": "human", "assistant": "gpt", "system": "system"}
_LLAVA_KEYS = ("id", "image", "video", "conversations")


def parse_llava(row: Any, index: int) -> Record:
    """Read one row of LLaVA JSON.

    ``image`` and ``video`` may be a path or a list of paths. A video stands at ``<video>``; where a row has
    no images it may stand at ``<image>``, as LLaVA-NeXT writes it. An assistant turn before the first user
    turn is dropped, as in the reference trainer, and ``meta["dropped_leading"]`` says so. Keys that the
    format does not know go to ``meta``.

    Args:
        row: the decoded JSON value.
        index: zero-based row in the file; names the record if it has no id.

    Raises:
        RecordError: the row has another shape, or ``Record.check`` refuses it.
    """
    if not isinstance(row, dict):
        raise RecordError(f"the row is a {type(row).__name__}, not an object", row=index)
    row_id = row.get("id")
    record_id = str(row_id) if isinstance(row_id, str | int) and not isinstance(row_id, bool) else str(index)
    meta = {key: value for key, value in row.items() if key not in _LLAVA_KEYS}
    try:
        turns = _llava_turns(record_id, row.get("conversations"))
        first = 1 if turns and turns[0].role == "system" else 0
        if len(turns) > first and turns[first].role == "assistant":
            turns = turns[:first] + turns[first + 1 :]
            meta["dropped_leading"] = True
        images = _llava_paths(record_id, row, "image")
        if videos := _llava_paths(record_id, row, "video"):
            turns, images = _with_videos(record_id, turns, images, videos)
        record = Record(record_id, turns, images, meta)
        record.check()
    except RecordError as error:
        raise RecordError(error.reason, record_id, index, error.fix) from error
    return record


_TAGS = re.compile(f"{IMAGE_PLACEHOLDER}|{VIDEO_PLACEHOLDER}")


def _llava_turns(record_id: str, conversations: Any) -> tuple[Turn, ...]:
    if not isinstance(conversations, list):
        raise RecordError("'conversations' is not a list", record_id)
    turns = []
    for number, entry in enumerate(conversations, start=1):
        if not isinstance(entry, dict) or not isinstance(entry.get("value"), str):
            raise RecordError(f"turn {number} has no text under 'value'", record_id)
        role = entry.get("from")
        if not isinstance(role, str) or role not in _ROLE_OF:
            raise RecordError(
                f"turn {number} is from {role!r}", record_id, fix="use one of " + ", ".join(_ROLE_OF)
            )
        turns.append(Turn(_ROLE_OF[role], entry["value"]))
    return tuple(turns)


def _llava_paths(record_id: str, row: Mapping[str, Any], key: str) -> tuple[ImageRef, ...]:
    value = row.get(key)
    if value is None:
        return ()
    paths = [value] if isinstance(value, str) else value
    if not isinstance(paths, list) or not all(isinstance(path, str) and path for path in paths):
        raise RecordError(f"{key!r} is neither a path nor a list of paths", record_id)
    return tuple(ImageRef(path, video=key == "video") for path in paths)


def _with_videos(
    record_id: str, turns: tuple[Turn, ...], images: tuple[ImageRef, ...], videos: tuple[ImageRef, ...]
) -> tuple[tuple[Turn, ...], tuple[ImageRef, ...]]:
    """Turns with one kind of placeholder, and images and videos in the order of theirs."""
    tags = [tag for turn in turns if turn.role == "user" for tag in _TAGS.findall(turn.text)]
    if VIDEO_PLACEHOLDER not in tags and not images:
        return turns, videos
    if (tags.count(IMAGE_PLACEHOLDER), tags.count(VIDEO_PLACEHOLDER)) != (len(images), len(videos)):
        raise RecordError(
            f"the text has {tags.count(IMAGE_PLACEHOLDER)} {IMAGE_PLACEHOLDER} and"
            f" {tags.count(VIDEO_PLACEHOLDER)} {VIDEO_PLACEHOLDER}, the record has {len(images)} image(s) and"
            f" {len(videos)} video(s)",
            record_id,
            fix="write one placeholder for each",
        )
    of_kind = {IMAGE_PLACEHOLDER: iter(images), VIDEO_PLACEHOLDER: iter(videos)}
    plain = tuple(
        replace(turn, text=turn.text.replace(VIDEO_PLACEHOLDER, IMAGE_PLACEHOLDER))
        if turn.role == "user"
        else turn
        for turn in turns
    )
    return plain, tuple(next(of_kind[tag]) for tag in tags)


def to_llava(record: Record) -> dict[str, Any]:
    """Row of LLaVA JSON for a record; ``parse_llava`` gives the record back.

    Raises:
        ValueError: ``meta`` uses one of the format's own keys.
    """
    if clash := [key for key in _LLAVA_KEYS if key in record.meta]:
        raise ValueError(f"meta of record {record.id!r} uses the keys {clash} of the format itself")
    row: dict[str, Any] = {"id": record.id}
    for key, video in (("image", False), ("video", True)):
        if paths := [image.path for image in record.images if image.video == video]:
            row[key] = paths[0] if len(paths) == 1 else paths
    turns = _tagged(record) if "video" in row else record.turns
    row["conversations"] = [{"from": _LLAVA_NAME[turn.role], "value": turn.text} for turn in turns]
    return {**row, **record.meta}


def _tagged(record: Record) -> list[Turn]:
    """Turns with ``<video>`` where a video stands."""
    left = iter(record.images)
    tags = {False: IMAGE_PLACEHOLDER, True: VIDEO_PLACEHOLDER}
    place = re.compile(IMAGE_PLACEHOLDER)
    return [
        replace(turn, text=place.sub(lambda _: tags[next(left).video], turn.text))
        if turn.role == "user"
        else turn
        for turn in record.turns
    ]


def move_images_to_front(record: Record) -> Record:
    """Put the image of each user turn before its text, as LLaVA's training code does.

    A turn with several images keeps them where they are: LLaVA-NeXT's rule (LLaVA would lose all but one).

    Source: ``preprocess_multimodal`` of LLaVA and LLaVA-NeXT.
    """

    def moved(turn: Turn) -> Turn:
        if turn.role != "user" or turn.placeholders != 1:
            return turn
        rest = turn.text.replace(IMAGE_PLACEHOLDER, "").strip()
        return replace(turn, text=f"{IMAGE_PLACEHOLDER}\n{rest}".strip())

    return replace(record, turns=tuple(moved(turn) for turn in record.turns))
