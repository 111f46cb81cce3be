"""Records, the value that every room shares, and LLaVA JSON, the format in which people keep them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from mmtune.errors import RecordError, UserError

IMAGE_PLACEHOLDER = "<image>"
"""Marks the position of an image in the text of a user turn."""
VIDEO_PLACEHOLDER = "<video>"
"""Marks the position of a video in LLaVA JSON; inside, a video stands at ``IMAGE_PLACEHOLDER``, too."""

Role = Literal["system", "user", "assistant"]

_ROLE_OF: dict[str, Role] = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "system": "system",
}
_LLAVA_NAME: dict[Role, str] = {"user": "human", "assistant": "gpt", "system": "system"}
_LLAVA_KEYS = ("id", "image", "video", "conversations")


@dataclass(frozen=True, slots=True)
class ImageRef:
    """Where an image lies, or a video or one of its frames."""

    path: str
    """A POSIX path relative to the image root of its source."""
    video: bool = False
    """Whether it is a whole video (a file or a folder of frames), which stands at one placeholder."""
    frame: int | None = None
    """Which frame of the video is meant, counted from 0."""

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
    chosen: str
    rejected: str
    images: tuple[ImageRef, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Refuse a pair that cannot be trained on.

        Raises:
            RecordError: as for ``Record.check``, or when both answers are the same.
        """
        for answer in (self.chosen, self.rejected):
            Record(self.id, (*self.prompt, Turn("assistant", answer)), self.images).check()
        if self.chosen == self.rejected:
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


def iter_llava(path: str | Path) -> Iterator[tuple[int, Record | RecordError]]:
    """Read a file of LLaVA JSON (a list) or JSONL (one object a line); the content tells which, not the name.

    Yields:
        (row, record) or, for a record that must not be trained on, (row, the error to report).

    Raises:
        UserError: the file cannot be read, is not UTF-8, or is not JSON; with line and column.
    """
    for index, row in iter_rows(path):
        try:
            yield index, parse_llava(row, index)
        except RecordError as error:
            yield index, error


def iter_rows(path: str | Path) -> Iterator[tuple[int, Any]]:
    """Rows of a JSON list or of a JSONL file (blank lines skipped), decoded but not yet checked.

    Raises:
        UserError: as for ``iter_llava``.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            head = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
            file.seek(0)
            if not head.startswith(b"{"):
                rows = decode_json(file.read(), path)
                if not isinstance(rows, list):
                    raise UserError(
                        "The file is not a JSON list of records",
                        str(path),
                        "give a list, or an object a line",
                    )
                yield from enumerate(rows)
                return
            index = 0
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield index, decode_json(line.rstrip(b"\r\n"), path, line=number, row=index)
                    index += 1
    except OSError as error:
        raise UserError(f"Cannot read the file: {error.strerror}", str(path), "check the path") from error


def decode_json(data: bytes, path: str | Path, *, line: int = 1, row: int | None = None) -> Any:
    """Decode UTF-8 JSON, or say where it is wrong.

    Args:
        data: the bytes of a whole file or of one line.
        path: the file, for the message.
        line: number of the first line of ``data`` in the file, counted from 1.
        row: zero-based row in a JSONL file, for the message.

    Raises:
        UserError: with file, line, column and row.
    """

    def where(at_line: int, column: int) -> str:
        return f"{path}, line {line + at_line - 1}, column {column}" + ("" if row is None else f", row {row}")

    try:
        return json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        place = where(before.count(b"\n") + 1, error.start - before.rfind(b"\n"))
        raise UserError("The file is not UTF-8", place, "save it as UTF-8") from error
    except json.JSONDecodeError as error:
        what = f"Malformed JSON: {error.msg}" if data.strip() else "The file is empty"
        fix = "mend the file there" if row is None else "a line of JSONL holds one whole object"
        raise UserError(what, where(error.lineno, error.colno), fix) from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"JSON that cannot be decoded: {error}", where(1, 1)) from error


def write_llava(path: str | Path, records: Iterable[Record]) -> int:
    """Write records as a JSON list (``.json``) or as JSON lines (``.jsonl``), whole or not at all.

    Returns:
        The number of records written.

    Raises:
        UserError: another suffix, or the file cannot be written; what stood there before is then untouched.
    """
    path = Path(path)
    if path.suffix not in (".json", ".jsonl"):
        raise UserError("LLaVA data is written as .json or .jsonl", str(path), "choose one of these suffixes")
    opening, between, closing = ("[\n", ",\n", "\n]\n") if path.suffix == ".json" else ("", "\n", "\n")
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    count = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("w", encoding="utf-8") as file:
            file.write(opening)
            for record in records:
                file.write((between if count else "") + json.dumps(to_llava(record), ensure_ascii=False))
                count += 1
            file.write(closing if count or opening else "")
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise UserError(
            f"Cannot write the file: {error.strerror}", str(path), "check its folder and the space left"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return count
