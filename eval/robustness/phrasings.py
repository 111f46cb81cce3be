"""Phrasings: the file of frames and rules, and what they make of a question."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.json_files import read_json
from mmtune.errors import UserError

OWN = Path(__file__).with_name("phrasings.json")


@dataclass(frozen=True)
class Rule:
    """What a question may be instead."""

    pattern: re.Pattern[str]
    """Of a whole line of the question."""
    instead: Sequence[str]
    """With the pattern's named groups in braces."""


@dataclass(frozen=True)
class Phrasings:
    """Frames and rules.

    Args:
        frames: the line that a protocol puts under or behind the question → frames with ``{question}`` in
            its stead.
        rules: for questions; the first that fits counts.
    """

    frames: Sequence[tuple[str, Sequence[str]]]
    rules: Sequence[Rule]

    @property
    def most_frames(self) -> int:
        """Frames that a prompt has at most."""
        return max((len(instead) for _, instead in self.frames), default=0)

    @property
    def most_rewordings(self) -> int:
        """Rewordings that a question has at most."""
        return max((len(rule.instead) for rule in self.rules), default=0)

    def framed(self, text: str, number: int) -> str | None:
        """A prompt in its frame of that number, from 0; None where there is none for it."""
        for line, instead in self.frames:
            question = text.removesuffix(line)
            if line and (question == text or not question[-1:].isspace()):
                continue
            question = question.rstrip() if line else text
            return instead[number].replace("{question}", question) if number < len(instead) else None
        return None

    def reworded(self, question: str, number: int) -> str | None:
        """A question with its first line that a rule fits reworded, by its wording of that number; None
        where there is none."""
        lines = question.split("\n")
        for rule in self.rules:
            for place, line in enumerate(lines):
                found = rule.pattern.fullmatch(line.strip())
                if found is None:
                    continue
                if number >= len(rule.instead):
                    return None
                groups = {name: text or "" for name, text in found.groupdict().items()}
                return "\n".join([*lines[:place], rule.instead[number].format(**groups), *lines[place + 1 :]])
        return None


def read_phrasings(path: str | Path | None = None) -> Phrasings:
    """Read a file of phrasings, by default the one that lies beside this module.

    Raises:
        UserError: if it cannot be read, a frame has no ``{question}``, or a rule is none.
    """
    file = Path(path) if path else OWN
    content = read_json(file)
    if not isinstance(content, dict) or not set(content) <= {"frames", "rewordings"}:
        raise UserError(
            'A file of phrasings is an object of "frames" and "rewordings"', str(file), f"see {OWN}"
        )
    frames = []
    for number, frame in enumerate(content.get("frames", []), start=1):
        line, instead = _entry(frame, "line", f"frame {number}", file)
        for text in instead:
            if "{question}" not in text:
                raise UserError(f"Frame {number} has no place for the question: {text!r}", str(file))
        frames.append((line, instead))
    rules = [_rule(rule, f"rewording {n}", file) for n, rule in enumerate(content.get("rewordings", []), 1)]
    return Phrasings(tuple(frames), tuple(rules))


def _rule(rule: Any, name: str, file: Path) -> Rule:
    text, instead = _entry(rule, "pattern", name, file)
    try:
        pattern = re.compile(text)
        for wording in instead:
            wording.format(**dict.fromkeys(pattern.groupindex, ""))
    except (re.error, KeyError, IndexError, ValueError) as error:
        raise UserError(
            f"The pattern of {name} and its wordings do not fit together: {type(error).__name__} {error}",
            str(file),
            "name the groups in the pattern that the wordings have in braces",
        ) from error
    return Rule(pattern, instead)


def _entry(entry: Any, key: str, name: str, file: Path) -> tuple[str, Sequence[str]]:
    value = entry.get(key) if isinstance(entry, dict) else None
    instead = entry.get("instead") if isinstance(entry, dict) else None
    texts = isinstance(instead, list) and all(isinstance(text, str) for text in instead)
    if not isinstance(value, str) or not texts:
        raise UserError(f'In {name}, "{key}" must be a text and "instead" a list of texts', str(file))
    return value, tuple(instead or ())
