"""Words of a text replaced by others, exactly as they were named."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from data_builders.teachers.base import UnusableError


@dataclass(frozen=True)
class Span:
    """Words and what stands in their place in the rejected answer."""

    kind: str
    true: str
    false: str


def check_spans(text: str, spans: Sequence[Span]) -> None:
    """Refuse replacements that are not exact.

    Raises:
        UnusableError: if words do not stand in the text exactly once, as whole words; overlap; are not
            replaced by others; or are replaced by nothing.
    """
    taken: list[tuple[int, int]] = []
    for span in spans:
        places = [found.span() for found in _pattern(span.true).finditer(text)]
        if len(places) != 1:
            raise UnusableError(f"{span.true!r} stands {len(places)} times in the answer, not once")
        if not span.false.strip() or span.false.casefold() == span.true.casefold():
            raise UnusableError(f"{span.true!r} is not replaced by other words")
        start, end = places[0]
        if any(start < other_end and other_start < end for other_start, other_end in taken):
            raise UnusableError(f"{span.true!r} overlaps other words that are replaced")
        taken.append(places[0])


def replaced(text: str, spans: Sequence[Span]) -> str:
    """The text with all spans replaced; they must have passed ``check_spans``."""
    places = [
        (found.start(), found.end(), span) for span in spans for found in _pattern(span.true).finditer(text)
    ]
    for start, end, span in sorted(places, key=lambda place: place[0], reverse=True):
        text = text[:start] + span.false + text[end:]
    return text


def _pattern(words: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(words)}(?!\w)")
