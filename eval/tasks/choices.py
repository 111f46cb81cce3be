"""Questions with options: how they are written, and what their truth is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.tasks.accuracy import AccuracyTask
from eval.tasks.base import Item
from mmtune.errors import UserError

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Choice:
    """The truth of a question with options."""

    letter: str
    options: Mapping[str, str]
    """Letter → text; empty where the file at hand does not tell."""

    def __str__(self) -> str:
        text = self.options.get(self.letter)
        return f"{self.letter}. {text}" if text else self.letter


class ChoiceTask(AccuracyTask):
    """A benchmark of questions with options, asked for the option's letter as in the LLaVA-1.5 protocol."""

    default_prompt = "letter"
    default_max_new_tokens = 16


def lettered(options: Sequence[Any]) -> dict[str, str]:
    """Options by letter, in their order."""
    return {letter: str(option) for letter, option in zip(LETTERS, options, strict=False)}


def asked(question: str, options: Mapping[str, str], hint: str = "") -> str:
    """A question with its options, each on its own line; what the benchmark gives as a hint stands first."""
    lines = [f"{letter}. {text}" for letter, text in options.items()]
    return "\n".join([*([hint] if hint else []), question, *lines])


def letter_of(answer: Any, options: Mapping[str, str], path: Path, number: int) -> str:
    """The letter of the true option, which a file writes as a letter, ``(A)``, or an index from 0.

    Raises:
        UserError: if it names no option.
    """
    if isinstance(answer, int) and not isinstance(answer, bool):
        answer = LETTERS[answer] if 0 <= answer < len(LETTERS) else str(answer)
    letter = str(answer).strip().strip("().").upper()
    if letter not in (options or LETTERS):
        raise UserError(
            f"The answer {str(answer)!r} of row {number} is none of the options", str(path), "mend the row"
        )
    return letter


def empty(value: Any) -> bool:
    """Whether a cell of a table is empty."""
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def kinds_of(row: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, str]:
    """Breakdowns: our name → the row's value under the benchmark's name, where it has one."""
    return {ours: str(row[theirs]) for theirs, ours in names.items() if not empty(row.get(theirs))}


def options_in(row: Mapping[str, Any]) -> dict[str, str]:
    """The options that a row has in columns named A, B, C …"""
    return {letter: str(row[letter]) for letter in LETTERS if not empty(row.get(letter))}


def truth_choice(item: Item) -> Choice:
    """The truth of an item of these tasks."""
    truth = item.truth
    if not isinstance(truth, Choice):
        raise TypeError(f"item {item.id} has no options")
    return truth
