"""What a format of preferences is: rows out of pairs, and pairs out of rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mmtune.errors import RecordError
from mmtune.records import IMAGE_PLACEHOLDER, ImageRef, Preference, Turn


@dataclass(frozen=True)
class Format:
    """One format.

    Args:
        name: on the command line.
        summary: who reads it, in a few words.
        write: a row of a pair, the pair's place in its file being given; raises ``RecordError`` where the
            format has no place for it.
        read: the pair of a row, in so far as the format keeps it; None where it cannot be told again.
        suffixes: of its files, the usual one first.
        embeds: keys of a row whose paths become the images' bytes in a parquet file.
    """

    name: str
    summary: str
    write: Callable[[Preference, int], dict[str, Any]]
    read: Callable[[Any, int], Preference] | None
    suffixes: tuple[str, ...] = (".jsonl", ".json")
    embeds: tuple[str, ...] = ()


def only_image(pair: Preference, name: str) -> ImageRef:
    """The one image of a pair.

    Raises:
        RecordError: if it has none, several, or a video.
    """
    if len(pair.images) != 1 or pair.images[0].is_video:
        raise RecordError(f"{name} has place for exactly one image", pair.id)
    return pair.images[0]


def no_videos(pair: Preference, name: str) -> None:
    """Refuse videos.

    Raises:
        RecordError: if there is one.
    """
    if any(image.is_video for image in pair.images):
        raise RecordError(f"{name} has no place for videos", pair.id)


def only_question(pair: Preference, name: str) -> str:
    """The question of a pair of one turn, without placeholders.

    Raises:
        RecordError: if its prompt has more turns.
    """
    if len(pair.prompt) != 1:
        raise RecordError(f"{name} has place for a single question", pair.id)
    text = pair.prompt[0].text.replace(f"{IMAGE_PLACEHOLDER}\n", "")
    return text.replace(IMAGE_PLACEHOLDER, "").strip()


def asked(question: str, images: int) -> tuple[Turn, ...]:
    """The prompt of a question about so many images, which stand before it."""
    return (Turn("user", f"{IMAGE_PLACEHOLDER}\n" * images + question),)


def text_at(row: Any, key: str, index: int) -> str:
    """A text of a row.

    Raises:
        RecordError: if there is none.
    """
    value = row.get(key) if isinstance(row, dict) else None
    if not isinstance(value, str):
        raise RecordError(f"there is no text under {key!r}", id_of(row, index), index)
    return value


def id_of(row: Any, index: int) -> str:
    """The row's own id, else its number."""
    value = row.get("id") if isinstance(row, dict) else None
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else str(index)


def sound(pair: Preference, index: int) -> Preference:
    """The pair, checked.

    Raises:
        RecordError: as ``Preference.check``, with the row.
    """
    try:
        pair.check()
    except RecordError as error:
        raise RecordError(error.reason, pair.id, index, error.fix) from error
    return pair
