"""Ways of marking: by a benchmark's rubric, by checklists, or two answers against each other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from eval.judges.asking import Place
from eval.judges.base import Question
from eval.scoring import Aggregating, Sampling, Scored, breakdowns
from eval.tasks import Item, Task


@dataclass(frozen=True)
class Case:
    """What is to be marked."""

    task: Task
    items: Sequence[Item]
    """All of the benchmark's."""
    answers: Mapping[str, str]
    """By item."""
    against: Mapping[str, str] = field(default_factory=dict)
    """Another model's answers, where two are compared."""
    missing_is_wrong: bool = False
    """Whether items without an answer count as wrong; else they are left out."""
    extra: int = 0
    """Answers to items that the benchmark does not have."""

    def answered(self) -> list[Item]:
        """Items with an answer, in the benchmark's order."""
        return [item for item in self.items if item.id in self.answers]


@dataclass(frozen=True)
class Marked:
    """What came of the judge's replies."""

    items: Sequence[str]
    """Ids behind the score."""
    primary: str
    metrics: Mapping[str, Any]
    by: Mapping[str, Any]
    verdicts: Sequence[Mapping[str, Any]]
    """Rows with ``id`` and ``verdict``, for the agreement of judges."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """Further parts of the result."""
    lower_is_better: Sequence[str] = ()


class Marking(ABC):
    """One way of marking a case."""

    name: ClassVar[str]
    prompt: str
    """Name of the prompt that ships."""
    needs: frozenset[str]
    knows: frozenset[str] = frozenset()
    max_tokens: int = 512
    attempts: int = 1
    unread_as: str = ""
    """What a reply that cannot be read is taken for, where that is not simply wrong."""

    @abstractmethod
    def questions(self) -> list[Question]:
        """What the judge is asked, in the benchmark's order."""

    @abstractmethod
    def readable(self, reply: str) -> bool:
        """Whether a reply can be read."""

    @abstractmethod
    def rule(self, facts: Mapping[str, str]) -> str:
        """A reply without a model."""

    @abstractmethod
    def mark(self, replies: Mapping[Place, str], runs: int, sampling: Sampling) -> Marked:
        """Score what the judge said.

        Args:
            replies: by item, part and run; what has no reply is left out, never guessed.
            runs: how often each question was asked.
            sampling: how intervals are drawn.
        """


def instruction(item: Item) -> str:
    """What a response answers: the question, behind the earlier turns where there are any."""
    turns = [f"User: {said}\nAssistant: {answered}" for said, answered in item.history]
    return "\n".join([*turns, f"User: {item.question}"]) if turns else item.question


def by_kind(marking: Aggregating, scored: Sequence[Scored], sampling: Sampling) -> dict[str, Any]:
    """breakdown → kind → {n, metrics}; judges mark no blind baseline beside the answers."""
    return {
        name: {kind: {"n": part["n"], "metrics": part["metrics"]} for kind, part in kinds.items()}
        for name, kinds in breakdowns(marking, scored, [], sampling).items()
    }


def mean_counts(each: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Counts of one item, averaged over runs."""
    names = dict.fromkeys(name for counts in each for name in counts)
    return {name: sum(counts.get(name, 0.0) for counts in each) / len(each) for name in names}
