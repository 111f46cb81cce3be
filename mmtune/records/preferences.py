"""Files of preferences: a prompt, a better and a worse answer, and what the difference rests on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from mmtune.errors import RecordError
from mmtune.records.files import iter_rows, write_rows
from mmtune.records.record import ImageRef, Preference, Role, Turn

_KEYS = ("id", "images", "prompt", "chosen", "rejected", "chosen_facts", "rejected_edits", "margin")
_ROLES = ("system", "user", "assistant")


def preference_to_json(pair: Preference) -> dict[str, Any]:
    """Row for a preference; ``parse_preference`` gives the preference back.

    An image is its path; a video or a frame of one is an object with ``path`` and ``video`` or ``frame``.

    Raises:
        ValueError: ``meta`` uses one of the format's own keys.
    """
    if clash := [key for key in _KEYS if key in pair.meta]:
        raise ValueError(f"meta of preference {pair.id!r} uses the keys {clash} of the format itself")
    return {
        "id": pair.id,
        "images": [_image_to_json(image) for image in pair.images],
        "prompt": [{"role": turn.role, "content": turn.text} for turn in pair.prompt],
        "chosen": pair.chosen,
        "rejected": pair.rejected,
        "chosen_facts": [dict(fact) for fact in pair.chosen_facts],
        "rejected_edits": [dict(edit) for edit in pair.rejected_edits],
        "margin": pair.margin,
        **pair.meta,
    }


def parse_preference(row: Any, index: int) -> Preference:
    """Read one row that ``preference_to_json`` wrote, or a person in its form.

    Args:
        row: the decoded JSON value; ``images``, ``chosen_facts``, ``rejected_edits`` and ``margin`` may be
            left out, keys of its own go to ``meta``.
        index: zero-based row in the file; names the preference if it has no id.

    Raises:
        RecordError: the row has another shape, or ``Preference.check`` refuses it.
    """
    if not isinstance(row, dict):
        raise RecordError(f"the row is a {type(row).__name__}, not an object", row=index)
    row_id = row.get("id")
    pair_id = str(row_id) if isinstance(row_id, str | int) and not isinstance(row_id, bool) else str(index)
    try:
        pair = Preference(
            pair_id,
            tuple(_turn(pair_id, turn, place) for place, turn in enumerate(_list(pair_id, row, "prompt"), 1)),
            _text(pair_id, row, "chosen"),
            _text(pair_id, row, "rejected"),
            tuple(_image(pair_id, image) for image in _list(pair_id, row, "images")),
            {key: value for key, value in row.items() if key not in _KEYS},
            _objects(pair_id, row, "chosen_facts"),
            _objects(pair_id, row, "rejected_edits"),
            _margin(pair_id, row.get("margin")),
        )
        pair.check()
    except RecordError as error:
        raise RecordError(error.reason, pair_id, index, error.fix) from error
    return pair


def iter_preferences(path: str | Path) -> Iterator[tuple[int, Preference | RecordError]]:
    """Read a JSON list or JSON Lines of preferences.

    Yields:
        (row, preference) or, for one that must not be trained on, (row, the error to report).

    Raises:
        UserError: the file cannot be read, is not UTF-8, or is not JSON; with line and column.
    """
    for index, row in iter_rows(path):
        try:
            yield index, parse_preference(row, index)
        except RecordError as error:
            yield index, error


def write_preferences(path: str | Path, pairs: Iterable[Preference]) -> int:
    """Write preferences as a JSON list (``.json``) or as JSON lines (``.jsonl``), whole or not at all.

    Returns:
        The number of preferences written.

    Raises:
        UserError: as ``mmtune.records.files.write_rows``.
    """
    return write_rows(path, map(preference_to_json, pairs))


def _image_to_json(image: ImageRef) -> str | dict[str, Any]:
    if image.frame is not None:
        return {"path": image.path, "frame": image.frame}
    return {"path": image.path, "video": True} if image.video else image.path


def _image(pair_id: str, value: Any) -> ImageRef:
    if isinstance(value, str) and value:
        return ImageRef(value)
    if isinstance(value, dict) and isinstance(value.get("path"), str) and value["path"]:
        frame, video = value.get("frame"), value.get("video", False)
        sound = frame is None or (isinstance(frame, int) and not isinstance(frame, bool) and frame >= 0)
        if sound and isinstance(video, bool):
            return ImageRef(value["path"], video=video, frame=frame)
    raise RecordError("an image is neither a path nor an object with 'path'", pair_id)


def _turn(pair_id: str, value: Any, place: int) -> Turn:
    if not isinstance(value, dict) or not isinstance(value.get("content"), str):
        raise RecordError(f"turn {place} of the prompt has no text under 'content'", pair_id)
    role = value.get("role")
    if role not in _ROLES:
        fix = "use one of " + ", ".join(_ROLES)
        raise RecordError(f"turn {place} of the prompt is from {role!r}", pair_id, fix=fix)
    return Turn(cast(Role, role), value["content"])


def _list(pair_id: str, row: Mapping[str, Any], key: str) -> list[Any]:
    value = row.get(key, [])
    if not isinstance(value, list):
        raise RecordError(f"{key!r} is not a list", pair_id)
    return value


def _objects(pair_id: str, row: Mapping[str, Any], key: str) -> tuple[Mapping[str, Any], ...]:
    values = _list(pair_id, row, key)
    if not all(isinstance(value, dict) for value in values):
        raise RecordError(f"{key!r} is not a list of objects", pair_id)
    return tuple(values)


def _text(pair_id: str, row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str):
        raise RecordError(f"there is no text under {key!r}", pair_id)
    return value


def _margin(pair_id: str, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise RecordError(f"the margin is {value!r}, not a number", pair_id)
    return value
