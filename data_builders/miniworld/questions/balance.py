"""Keeping answers in balance, so that a question cannot be answered from its words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from data_builders.draws import Draws
from data_builders.miniworld.questions.base import Arguments, Solution


class Ledger:
    """How often each answer was given for each subject; the rarest goes next.

    Scenes are not balanced (some classes are frequent, some numbers rare), but what is asked about them
    can be: among all that a scene allows to ask, the combination of subject and answer that was asked
    least is taken. Where a family's scenes tend to one side, what would deepen the imbalance is not asked.
    """

    def __init__(self) -> None:
        self._given: Counter[tuple[str, str, str]] = Counter()

    def rarest(
        self, family: str, solved: Sequence[tuple[Arguments, Solution]], draws: Draws
    ) -> tuple[Arguments, Solution] | None:
        """Take and enter the candidate that was asked least, at random among equals; None if none may be."""
        solved = [
            (arguments, solution) for arguments, solution in solved if not self._tilted(family, solution)
        ]
        if not solved:
            return None
        keys = [_key(family, arguments, solution) for arguments, solution in solved]
        least = min(self._given[key] for key in keys)
        choice = draws.choice([number for number, key in enumerate(keys) if self._given[key] == least])
        self._given[keys[choice]] += 1
        chosen = solved[choice][1]
        if chosen.tilt:
            self._given[family, chosen.subject, chosen.tilt[0]] += 1
        return solved[choice]

    def _tilted(self, family: str, solution: Solution) -> bool:
        """Whether what is the case here has been asked about more often than its opposite."""
        if solution.tilt is None:
            return False
        case, opposite = (self._given[family, solution.subject, side] for side in solution.tilt)
        return case > opposite


def _key(family: str, arguments: Arguments, solution: Solution) -> tuple[str, str, str]:
    return f"{family}/{arguments.get('form', 'ask')}", solution.subject, solution.answer
