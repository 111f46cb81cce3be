"""Questions as they compare: without case, punctuation, placeholders and a benchmark protocol's lines."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import cache

from mmtune.records import IMAGE_PLACEHOLDER, Record

PROTOCOL_LINES = (
    "answer the question using a single word or phrase",
    "answer with the option's letter from the given choices directly",
    "please answer yes or no",
)
"""Lines that evaluation protocols put under a question; a question with and without one is the same."""

_APOSTROPHES = re.compile("['\u2018\u2019\u02bc]")
_PLACEHOLDER = re.compile(re.escape(IMAGE_PLACEHOLDER))
_RAISED = re.compile("[\u2070\u00b9\u00b2\u00b3\u2074-\u2079]+")
_DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2015"
_SIGNS = {**dict.fromkeys(_DASHES, "\u2212"), "*": "\u00d7", "/": "\u00f7", "^": "\u2191"}
"""What is punctuation in prose, and the mathematical sign that it is in a sum."""
_SIGN = rf"([{_DASHES}*/^])"
_HAS_SIGN = re.compile(_SIGN)
# Beside a number, or between two single letters.
_OPERATOR = re.compile(rf"(?<=\d)\s*{_SIGN}|{_SIGN}(?=\s*\d)|(?<=\b[a-z])\s*{_SIGN}(?=\s*[a-z]\b)")
_NUMBER = r"\d+(?:[.,:]\d+)*"
_ASCII_TOKEN = re.compile(rf"{_NUMBER}|[^\W_]+|[$+<=>|~%]")
_LAST_SCRIPT = 0x20000
"""Beyond are ideographs, and nothing that is a mark or a symbol of a text."""


def normalise(text: str) -> str:
    """A text's words, numbers and symbols in lower case, one space apart.

    What makes a sum another one stays (the point of 3.5, signs and operators beside numbers, ``<``, ``%``),
    as do vowel signs and all symbols that are no punctuation; punctuation goes. A text of nothing but
    punctuation stays as it is, so that two of them are not the same.
    """
    spelt = _PLACEHOLDER.sub(" ", text)
    if not spelt.isascii():
        spelt = _RAISED.sub(lambda raised: "^" + raised[0], spelt)
    plain = unicodedata.normalize("NFKC", spelt).casefold()
    found = _APOSTROPHES.sub("", plain)
    if _HAS_SIGN.search(found):  # Few questions do; looking for operators takes longer than all else.
        found = _OPERATOR.sub(lambda sign: f" {_SIGNS[sign[0].strip()]} ", found)
    tokens = (_ASCII_TOKEN if found.isascii() else _any_token()).findall(found)
    return " ".join(tokens) if tokens else " ".join(plain.split())


@cache
def _any_token() -> re.Pattern[str]:
    r"""As for ASCII, in all scripts.

    ``\w`` leaves out the signs that spell vowels in Hindi, Thai or Arabic, without which different words
    would be the same.
    """
    marks, symbols = [], ["%"]
    for code in range(0x80, _LAST_SCRIPT):
        kind = unicodedata.category(chr(code))
        if kind in ("Sm", "Sc", "So"):
            symbols.append(chr(code))
        elif kind[0] == "M" and not 0xFE00 <= code <= 0xFE0F:  # Whether an emoji is drawn in colours.
            marks.append(chr(code))
    return re.compile(rf"{_NUMBER}|(?:[^\W_]|[{''.join(marks)}])+|[$+<=>|~{''.join(symbols)}]")


def question_of(text: str) -> str:
    """A user turn as it compares: ``normalise`` without the protocol's lines."""
    return normalise("\n".join(line for line in text.splitlines() if not _is_protocol(line)))


def _is_protocol(line: str) -> bool:
    return line.strip().rstrip(". ").lower().replace("\u2019", "'") in PROTOCOL_LINES


def questions_of(record: Record) -> tuple[str, ...]:
    """The user turns of a record as they compare."""
    return tuple(question_of(turn.text) for turn in record.turns if turn.role == "user")


def conversation_of(record: Record) -> str:
    """All that is said in a record as it compares, answers included, one turn a line."""
    return "\n".join(f"{turn.role} {question_of(turn.text)}" for turn in record.turns)


def key(text: str) -> bytes:
    """16 bytes that stand for a text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
