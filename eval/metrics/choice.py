"""Multiple choice: how benchmarks read a letter out of a reply. A reply without one is wrong, no guess."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

FAILED = "FAILED"
"""What ``parse_scienceqa`` gives for a reply that names no letter."""
REFUSED = "Z"
"""The letter that MMBench's rule gives to a refusal."""

_SCIENCEQA_LETTERS = "ABCDE"
_SCIENCEQA_ANSWER = re.compile(r"The answer is ([A-Z]).")  # the last dot stands for any character
_REFUSALS = (
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)
_API_FAILURE = "Failed to obtain answer via API"
_MARKS_TO_SPACES = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
_VERBOSE_ANSWER = re.compile(r"(?:correct\s+)?answer\s+is\s+\**([ABCD])\**", re.IGNORECASE)
_LAST_WORDS = 4


def parse_scienceqa(text: str, n_choices: int) -> str:
    """Read a reply as LLaVA's ScienceQA script does.

    A bare letter A to E, a letter followed by a full stop and a space, or one single "The answer is X.".

    Args:
        text: the reply.
        n_choices: options of the question; the script does not look at it here, so that ``E`` of four
            options is read and then wrong (``scienceqa_index``).

    Returns:
        The letter, or ``FAILED``.

    Source: llava/eval/eval_science_qa.py of haotian-liu/LLaVA.
    """
    del n_choices
    if text in _SCIENCEQA_LETTERS and len(text) == 1:
        return text
    if text[:1] and text[0] in _SCIENCEQA_LETTERS and text[1:3] == ". ":
        return text[0]
    found = _SCIENCEQA_ANSWER.findall(text)
    return str(found[0]) if len(found) == 1 else FAILED


def scienceqa_index(letter: str, n_choices: int) -> int:
    """Zero-based option that a parsed letter stands for; -1 for a failure or an option that is not there."""
    offered = _SCIENCEQA_LETTERS[:n_choices]
    return offered.index(letter) if len(letter) == 1 and letter in offered else -1


def parse_scienceqa_gpt3(text: str) -> str:
    """Read a reply as the ScienceQA repository does: one single "The answer is X.", else ``FAILED``.

    It draws an option at random for a failure; nothing is drawn here.

    Source: models/run_gpt3.py of lupantech/ScienceQA.
    """
    found = _SCIENCEQA_ANSWER.findall(text)
    return str(found[0]) if len(found) == 1 else FAILED


def infer_choice(text: str, choices: Mapping[str, Any]) -> str | None:
    """Read a reply by MMBench's rule, without the language model that its harness asks where this fails.

    One single option letter among the last four words (marks count as spaces), else "answer is X" with X
    from A to D, else one single option whose text the reply contains, unless the reply is more than twice
    as long as all options together.

    Args:
        text: the reply.
        choices: letter → text of each option.

    Returns:
        The letter; ``Z`` for a refusal; None where nothing can be inferred.

    Source: can_infer of open-compass/VLMEvalKit.
    """
    return _letter(text, choices) or _option_text(text, choices)


def parse_mmstar(text: str) -> str:
    """The letter, in lower case, that MMStar's script would take a reply for; "" where it finds none.

    The first letter of the reply ("Apple" is a), or the one after ``(``, ``option `` or ``the answer is ``.

    Source: eval/vlmeval/evaluate/mmstar.py of MMStar-Benchmark/MMStar.
    """
    for letter in "abcdefghijklmnopqrstuvwxyz":
        if mmstar_right(text, letter):
            return letter
    return ""


def mmstar_right(text: str, answer: str) -> bool:
    """Whether MMStar's script counts a reply as right; several of its rules may apply to one reply.

    Source: as ``parse_mmstar``.
    """
    said, true = (t.lower().strip().replace("\n", " ") for t in (text, answer))
    if not said:
        return False
    if true == said[0] or (said[0] == "(" and true == said[1:2] != ""):
        return True
    return any(
        said.startswith(lead) and len(said) > len(lead) and true == said[len(lead)]
        for lead in ("option ", "the answer is ")
    )


def parse_letter(text: str, letters: str = "ABCDE") -> str | None:
    """Read a letter where a benchmark leaves the reading open: the reply is a letter, or starts with one.

    ``B``, ``b``, ``(B)``, ``B.``, ``B: text`` and "The answer is B" are read; "A dog" is not.
    """
    plain = text.strip()
    match = re.match(r"\(?([A-Za-z])(?:[).:,]|$)", plain) or re.search(
        r"answer(?:\s+is)?\s*:?\s*\(?([A-Za-z])\b(?!')", plain, re.IGNORECASE
    )
    letter = match[1].upper() if match else ""
    return letter if letter and letter in letters else None


def _letter(text: str, choices: Mapping[str, Any]) -> str | None:
    if _API_FAILURE in text:
        return None
    if any(refusal in text for refusal in _REFUSALS):
        return REFUSED
    words = text.translate(_MARKS_TO_SPACES).split()
    there = [letter for letter in choices if letter in words]
    if len(there) == 1:
        if words.index(there[0]) > len(words) - 1 - _LAST_WORDS:
            return there[0]
    elif not there and REFUSED in words:
        return REFUSED
    match = _VERBOSE_ANSWER.search(text)
    return match[1].upper() if match and match[1].upper() in choices else None


def _option_text(text: str, choices: Mapping[str, Any]) -> str | None:
    said = text.lower()
    if len(said) > 2 * sum(len(str(option)) for option in choices.values()):
        return None
    found = [letter for letter, option in choices.items() if str(option).lower() in said]
    return found[0] if len(found) == 1 else None
