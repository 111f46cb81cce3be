"""What a robustness check is: conditions under which items are asked again, and what to tell of it."""

from __future__ import annotations

import hashlib
import random
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from eval.asking import Ask
from eval.backends.base import Answer
from eval.options import How
from eval.scoring import Sampling, Scored
from eval.tasks import Item, Task


@dataclass(frozen=True)
class Case:
    """An item as the benchmark asks it."""

    task: Task
    item: Item
    ask: Ask
    shown: tuple[str, ...]
    """The images that the model sees."""
    how: How
    """What the user wants of items with options; ``ask.how`` is what became of it."""


@dataclass(frozen=True)
class Variant:
    """An item as it is asked under a condition."""

    ask: Ask
    item: Item
    """Another than the benchmark's where its truth has moved."""
    note: Mapping[str, Any] = field(default_factory=dict)
    """What the check needs to read the answer; it also goes into the answer's row."""


@dataclass(frozen=True)
class Outcomes:
    """What a task's items gave under one condition, by item id."""

    scored: Mapping[str, Scored]
    answers: Mapping[str, Answer]
    notes: Mapping[str, Mapping[str, Any]]
    failed: Mapping[str, str]


@dataclass(frozen=True)
class Study:
    """All that a check knows of a task once everything is answered."""

    task: Task
    clean: Outcomes
    altered: Mapping[str, Outcomes]
    """By condition, without those that no item could be asked under."""
    sampling: Sampling


class Kind(ABC):
    """A robustness check.

    Args:
        setting: what the user wrote behind the name, or "".
        seed: of all that is drawn.

    Raises:
        UserError: for a setting that the check does not have.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    """One line for tables and the report."""
    applies_to: ClassVar[str] = "items with an image"
    """Which items it can ask, for the message where a task has none."""

    def __init__(self, setting: str = "", seed: int = 0) -> None:
        self.setting = setting
        self.seed = seed

    @abstractmethod
    def conditions(self) -> Sequence[str]:
        """Names of the conditions, each ``name`` or ``name:…``."""

    @abstractmethod
    def vary(self, case: Case, condition: str) -> Variant | None:
        """The item under a condition; None where it does not apply to the item."""

    def summary(self, study: Study) -> dict[str, Any]:
        """What there is to tell beyond each condition's own figures."""
        del study
        return {}


def altered(case: Case, alteration: str, note: Mapping[str, Any] | None = None) -> Variant | None:
    """The item with its image altered; None where it has none."""
    if not case.ask.image:
        return None
    return Variant(replace(case.ask, alteration=alteration), case.item, note or {})


def drawn(*what: object) -> random.Random:
    """A source of random numbers that depends on nothing but ``what``, on any machine."""
    digest = hashlib.sha256("\0".join(map(str, what)).encode("utf-8", "surrogatepass")).digest()
    return random.Random(int.from_bytes(digest[:8], "big"))
