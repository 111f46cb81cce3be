"""What a question family is: phrasings, what can be asked of a scene, and how its truth is computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from data_builders.draws import Draws
from data_builders.scenes import Scene

Arguments = Mapping[str, Any]

Fact = tuple[str, str]
"""What can be known of a scene: an aspect, and the object or class that it is of."""


@dataclass(frozen=True, slots=True)
class Solution:
    """The truth about one possible question.

    Args:
        answer: as the model should give it.
        evidence: ids of the objects that it rests on; empty where it rests on there being none.
        words: what the phrasing's fields are filled with.
        subject: what the question is about, as far as its wording tells; answers are balanced for each.
        asks: facts any of which, known from an earlier turn, gives the answer away or makes it likelier.
        tells: facts that question and answer make known; what is asked for, if not given.
        tilt: (what is the case, its opposite), where it is these that must be asked about equally often for
            the subject and not the answers, because scenes tend to the one side.
    """

    answer: str
    evidence: tuple[str, ...]
    words: Mapping[str, str]
    subject: str
    asks: frozenset[Fact]
    tells: frozenset[Fact] = frozenset()
    tilt: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        if not self.tells:
            object.__setattr__(self, "tells", self.asks)


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of question, as data.

    Args:
        name: goes into records and into VQAv2's ``question_type``.
        phrasings: for each form of the question, the ways to put it; fields are ``Solution.words``.
        candidates: what can be asked of a scene. It may draw the form first, so that forms are balanced.
        solve: the answer and what it rests on, from the scene alone; None where the question is not
            well defined. The only place where the family's truth is computed.
        fair: whether the answer is drawn first, each one equally likely, which a family may say only if
            every scene of which it can ask anything can give every answer.
        presence: whether earlier turns that name an object would give the answer away.
    """

    name: str
    phrasings: Mapping[str, tuple[str, ...]]
    candidates: Callable[[Scene, Draws], list[Arguments]]
    solve: Callable[[Scene, Arguments], Solution | None]
    fair: bool = False
    presence: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its answer and all that is needed to check it against the scene."""

    family: str
    form: str
    phrasing: int
    text: str
    answer: str
    evidence: tuple[str, ...]
    arguments: Arguments = field(default_factory=dict)
    tells: frozenset[Fact] = frozenset()

    def to_json(self) -> dict[str, Any]:
        """Evidence for a record's meta: everything but the text and the answer, which the turns hold."""
        row: dict[str, Any] = {"family": self.family, "form": self.form, "phrasing": self.phrasing}
        row["arguments"] = dict(self.arguments)
        row["objects"] = list(self.evidence)
        return row


def word_question(family: Family, arguments: Arguments, solution: Solution, phrasing: int) -> Question:
    """Put a solved question into words."""
    form = arguments.get("form", "ask")
    text = family.phrasings[form][phrasing].format(**solution.words)
    evidence, tells = solution.evidence, solution.tells
    return Question(family.name, form, phrasing, text, solution.answer, evidence, arguments, tells)
