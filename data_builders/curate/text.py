"""Questions as they compare: without case, punctuation, placeholders and a benchmark protocol's lines."""

from __future__ import annotations

import hashlib
import re
import unicodedata

from mmtune.records import IMAGE_PLACEHOLDER, Record

PROTOCOL_LINES = (
    "answer the question using a single word or phrase",
    "answer with the option's letter from the given choices directly",
    "please answer yes or no",
)
"""Lines that evaluation protocols put under a question; a question with and without one is the same."""

_APOSTROPHES = re.compile("['\u2018\u2019\u02bc]")
_TOKEN = re.compile(r"(?<![\w])[-+]?\d+(?:[.,:/]\d+)*|[^\W_]+")
_PLACEHOLDER = re.compile(re.escape(IMAGE_PLACEHOLDER))


def normalise(text: str) -> str:
    """A text's words and numbers in lower case, one space apart.

    What makes a number another one stays (the point of 3.5, the sign of -3); all other punctuation goes. A
    text of nothing but punctuation stays as it is, so that two of them are not the same.
    """
    plain = unicodedata.normalize("NFKC", _PLACEHOLDER.sub(" ", text)).casefold()
    tokens = _TOKEN.findall(_APOSTROPHES.sub("", plain))
    return " ".join(tokens) if tokens else " ".join(plain.split())


def question_of(text: str) -> str:
    """A user turn as it compares: ``normalise`` without the protocol's lines."""
    lines = [line for line in text.splitlines() if line.strip().rstrip(". ").lower() not in PROTOCOL_LINES]
    return normalise("\n".join(lines))


def questions_of(record: Record) -> tuple[str, ...]:
    """The user turns of a record as they compare."""
    return tuple(question_of(turn.text) for turn in record.turns if turn.role == "user")


def conversation_of(record: Record) -> str:
    """All that is said in a record as it compares, answers included, one turn a line."""
    return "\n".join(f"{turn.role} {question_of(turn.text)}" for turn in record.turns)


def key(text: str) -> bytes:
    """16 bytes that stand for a text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
