"""Keeping answers in balance, so that a question cannot be answered from its words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from data_builders.miniworld.draws import Draws
from data_builders.miniworld.questions.base import Arguments, Solution


class Ledger:
    """How often each answer was given for each subject; the rarest goes next.

    Scenes are not balanced (some classes are frequent, some numbers rare), but what is asked about them
    can be: among all that a scene allows to ask, the combination of subject and answer that was asked
    least is taken.
    """

    def __init__(self) -> None:
        self._given: Counter[tuple[str, str, str]] = Counter()

    def rarest(
        self, family: str, solved: Sequence[tuple[Arguments, Solution]], draws: Draws
    ) -> tuple[Arguments, Solution]:
        """Take the candidate that was asked least, at random among equals, and enter it."""
        keys = [_key(family, arguments, solution) for arguments, solution in solved]
        least = min(self._given[key] for key in keys)
        choice = draws.choice([number for number, key in enumerate(keys) if self._given[key] == least])
        self._given[keys[choice]] += 1
        return solved[choice]


def _key(family: str, arguments: Arguments, solution: Solution) -> tuple[str, str, str]:
    return f"{family}/{arguments.get('form', 'ask')}", solution.subject, solution.answer
