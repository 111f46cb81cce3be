"""MMMT-IF: are instructions, given over many turns, followed? Checked by programs, not by a judge."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

Check = Callable[[str, Any], bool]

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_WORD = re.compile(r"\w+(?:[-'’]\w+)*")
_BULLET = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+", re.MULTILINE)


def sentences(text: str) -> list[str]:
    """Sentences of a text: what stands before white space after a full stop, exclamation or question mark."""
    return [piece for piece in _SENTENCE_END.split(text.strip()) if piece]


def words(text: str) -> list[str]:
    """Words of a text; hyphens and apostrophes inside one do not divide it."""
    return _WORD.findall(text)


CHECKS: Mapping[str, Check] = {
    "max_sentences": lambda text, limit: len(sentences(text)) <= int(limit),
    "min_sentences": lambda text, limit: len(sentences(text)) >= int(limit),
    "max_words": lambda text, limit: len(words(text)) <= int(limit),
    "min_words": lambda text, limit: len(words(text)) >= int(limit),
    "max_words_per_sentence": lambda text, limit: all(len(words(s)) <= int(limit) for s in sentences(text)),
    "min_words_per_sentence": lambda text, limit: all(len(words(s)) >= int(limit) for s in sentences(text)),
    "starts_with": lambda text, lead: text.strip().lower().startswith(str(lead).lower()),
    "ends_with": lambda text, tail: text.strip().lower().endswith(str(tail).lower()),
    "every_sentence_starts_with": lambda text, lead: all(
        s.lower().startswith(str(lead).lower()) for s in sentences(text)
    ),
    "includes": lambda text, wanted: _has(text, wanted),
    "excludes": lambda text, unwanted: not _has(text, unwanted),
    "has_number": lambda text, wanted: bool(re.search(r"\d", text)) is bool(wanted),
    "all_lower": lambda text, wanted: (text == text.lower()) is bool(wanted),
    "all_upper": lambda text, wanted: (text == text.upper()) is bool(wanted),
    "no_commas": lambda text, wanted: ("," not in text) is bool(wanted),
    "ends_with_question": lambda text, wanted: text.strip().endswith("?") is bool(wanted),
    "bullets": lambda text, number: len(_BULLET.findall(text)) == int(number),
}
"""Instruction → check of a response against its argument."""


def followed(text: str, instruction: str, argument: Any) -> bool:
    """Whether a response follows one instruction; an empty response follows none.

    Args:
        text: the response.
        instruction: a name in ``CHECKS``.
        argument: what it takes: a limit, a word, True.

    Raises:
        KeyError: if there is no such check.
    """
    check = CHECKS[instruction]
    return bool(text.strip()) and check(text, argument)


def pif(text: str, instructions: Iterable[tuple[str, Any]]) -> float | None:
    """Share of the instructions given so far that a response follows; None where none was given.

    Args:
        text: the response.
        instructions: (name in ``CHECKS``, argument) of each instruction in force.

    Source: PIF (programmatic instruction following) of Epstein et al., MMMT-IF.
    """
    results = [followed(text, name, argument) for name, argument in instructions]
    return sum(results) / len(results) if results else None


def pif_n_k(samples: Sequence[Sequence[float]], k: int) -> float | None:
    """Share of turns at which at least ``k`` of the sampled responses follow every instruction.

    Args:
        samples: for each turn the PIF of each of its N samples.
        k: least number of samples with PIF 1.

    Returns:
        0..1; None without turns.

    Raises:
        ValueError: if k is not from 1 to N, or turns have different numbers of samples.

    Source: PIF-N-K of Epstein et al., MMMT-IF.
    """
    if not samples:
        return None
    number = len(samples[0])
    if any(len(turn) != number for turn in samples):
        raise ValueError("every turn needs the same number of samples")
    if not 1 <= k <= number:
        raise ValueError(f"k is {k}, but there are {number} samples of each turn")
    return sum(sum(share == 1 for share in turn) >= k for turn in samples) / len(samples)


def _has(text: str, wanted: Any) -> bool:
    """Whether all wanted words or phrases stand in the text, as words."""
    phrases = wanted if isinstance(wanted, list | tuple) else [wanted]
    return all(
        re.search(rf"(?<!\w){re.escape(str(phrase))}(?!\w)", text, re.IGNORECASE) is not None
        for phrase in phrases
    )
