"""How a judge marks a benchmark's answers: what it is shown, and what its reply says."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from eval.tasks import Item
from eval.tasks.judged import JudgedTask

Verdict = str | float | None
"""What a judge said of an answer, in a word or a number; None where its reply cannot be read."""

OFFICIAL, SWAPPED = "", "swapped"
"""Parts of an item that are asked about on their own: the official order of two answers, and the other."""


@dataclass(frozen=True)
class Question:
    """One thing that a judge is asked."""

    item: str
    part: str
    """Which question about the item: ``OFFICIAL``, ``SWAPPED`` or the number of a check."""
    facts: Mapping[str, str]
    """What stands in the places of the prompt."""
    answer: str
    """What is marked, so that it is noticed where it changed."""


@dataclass(frozen=True)
class Beside:
    """Files that a rubric reads besides the task's own."""

    context: Path | None = None
    """LLaVA-Bench's ``context.jsonl``; by default beside its questions."""
    reference: Path | None = None
    """LLaVA-Bench's ``answers_gpt4.jsonl``; likewise."""


class Rubric(ABC):
    """Marks the answers to one benchmark.

    Args:
        task: the benchmark.
        items: those that are marked.
        beside: further files.

    Raises:
        UserError: if a file that the judge must be shown is missing.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"question", "truth", "answer"})
    """Places that a prompt must have."""
    knows: ClassVar[frozenset[str]] = frozenset()
    """Further places that it may have."""
    max_tokens: ClassVar[int] = 512
    """Longest reply, by default."""
    attempts: ClassVar[int] = 1
    """How often a judge is asked for a reply that can be read, where the official script asks again."""
    unread_as: ClassVar[str] = ""
    """What the official script takes a reply for that cannot be read, where that is not simply wrong."""
    swaps: ClassVar[bool] = False
    """Whether two answers are compared, so that their order can be swapped."""

    def __init__(self, task: JudgedTask, items: Sequence[Item], beside: Beside) -> None:
        self.task = task
        self.beside = beside

    @abstractmethod
    def facts(self, item: Item, answer: str) -> Mapping[str, str]:
        """What stands in the places of the prompt."""

    def swapped(self, facts: Mapping[str, str]) -> Mapping[str, str]:
        """The same with the two answers in the other order."""
        return {**facts, "first": facts["second"], "second": facts["first"]}

    @abstractmethod
    def readable(self, reply: str) -> bool:
        """Whether the official rule can read a reply."""

    def judgement(self, reply: str, part: str) -> str:
        """A reply as the task scores it."""
        del part
        return reply

    @abstractmethod
    def verdict(self, judgement: str) -> Verdict:
        """What a judgement says, for the agreement of judges."""

    @abstractmethod
    def rule(self, facts: Mapping[str, str]) -> str:
        """A reply without a model, by a rule that is no judge: for tests and rehearsals."""

    def row(self, item: Item, judgements: Sequence[str]) -> Mapping[str, Any]:
        """Fields by which ``mmtune score`` reads the judgements of an item, one for each run."""
        return {"question_id": item.official_id, "judgement": judgements[0]}
