"""MMMU: letters and free answers read as its official evaluation reads them, but without a random guess."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

Normal = str | float

_OUTER_MARKS = ",.!?;:'"
_LONG_REPLY_WORDS = 5
_LEADS = ("could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ")
_SENTENCE = re.compile(r"\.\s(?=[A-Z])|\n")
_WITH_COMMAS = re.compile(r"-?\b\d{1,3}(?:,\d{3})+\b")
# A number never starts amid digits: the official patterns need not say so, but try each digit of a long run.
_SCIENTIFIC = re.compile(r"-?(?<!\d)\d+(?:\.\d+)?[eE][+-]?\d+")
_PLAIN_NUMBER = re.compile(r"-?(?:(?<!\d)\d+\.\d+|\.\d+|(?<!\d)\d+\b)(?![eE][+-]?\d+)(?![,\d])")


def parse_multiple_choice(text: str, options: Mapping[str, str]) -> str | None:
    """The letter that a reply names.

    ``(B)`` goes before `` B `` (blanks on both sides), and these before the text of an option, which is
    looked for in replies of more than five words only. Of several the one that stands last counts.

    Args:
        text: the reply.
        options: letter → text.

    Returns:
        The letter; None where the official script draws one at random.

    Source: parse_multi_choice_response of MMMU-Benchmark/MMMU.
    """
    said = text
    for mark in _OUTER_MARKS:
        said = said.strip(mark)
    said = f" {said} "
    places = {letter: said.rfind(f"({letter})") for letter in options}
    if max(places.values(), default=-1) < 0:
        places = {letter: said.rfind(f" {letter} ") for letter in options}
    if max(places.values(), default=-1) < 0 and len(said.split()) > _LONG_REPLY_WORDS:
        places = {letter: said.lower().rfind(option.lower()) for letter, option in options.items()}
    best = max(places.values(), default=-1)
    return next((letter for letter, place in places.items() if place == best), None) if best >= 0 else None


def parse_open(text: str) -> list[Normal]:
    """What a free reply may be taken to answer: the tails of its sentences after words such as "is", and
    every number in them, normalised, each once.

    Source: parse_open_response of MMMU-Benchmark/MMMU.
    """
    tails = _tails(text)
    found = list(tails)
    for tail in tails:
        for pattern in (_WITH_COMMAS, _SCIENTIFIC, _PLAIN_NUMBER):
            found += pattern.findall(tail)
    return list(dict.fromkeys(normal for piece in found for normal in normalize(piece)))


def open_right(answer: str | Sequence[str], parsed: Sequence[Normal]) -> bool:
    """Whether one of the parsed pieces is the answer (numbers) or contains it (text).

    Args:
        answer: the annotated answer, or the accepted ones.
        parsed: as ``parse_open`` gives it.

    Source: eval_open of MMMU-Benchmark/MMMU.
    """
    accepted = [answer] if isinstance(answer, str) else answer
    true = [normal for one in accepted for normal in normalize(one)]
    words = [one for one in true if isinstance(one, str)]
    return any(
        any(word in said for word in words) if isinstance(said, str) else said in true for said in parsed
    )


def normalize(text: str) -> list[Normal]:
    """A number rounded to two places, or the text in lower case; a single letter with a blank on either side.

    Source: normalize_str of MMMU-Benchmark/MMMU.
    """
    text = text.strip()
    number = _number(text)
    if number is not None:
        return [round(number, 2)]
    text = text.lower()
    return [f" {text}", f"{text} "] if len(text) == 1 else [text]


def _tails(text: str) -> list[str]:
    """For each sentence the shortest rest after one of the lead words; the whole reply if there is none."""
    reply = text.strip().strip(".").lower()
    sentences = _SENTENCE.split(reply)
    tails: list[str] = []
    for number, sentence in enumerate(sentences, start=1):
        leads = (*_LEADS, "=") if number == len(sentences) else _LEADS
        shortest = ""
        for lead in leads:
            if lead in sentence:
                tail = sentence.split(lead)[-1].strip()
                if not shortest or len(tail) < len(shortest):
                    shortest = tail
        if shortest and shortest not in (":", ",", ".", "!", "?", ";", "'"):
            tails.append(shortest)
    return tails or [reply]


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None
