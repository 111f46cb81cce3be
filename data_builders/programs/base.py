"""What a program is: phrasings, what it can ask of scenes, and how the truth of an answer is computed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from data_builders.draws import Draws
from data_builders.programs.view import View

Arguments = Mapping[str, Any]
"""All that a question was drawn as, in plain JSON values; the truth follows from these and the scenes."""

Views = Sequence[View]


class Solution(NamedTuple):
    """The truth about one possible question; a tuple, since thousands a second are made.

    Args:
        answer: as the model should give it.
        evidence: ids of objects and relations that it rests on; with the image's place (from 0) and a colon
            before each, where there are several images; empty where it rests on there being none.
        words: what the phrasing's fields are filled with.
        wrong: answers that are certainly wrong; a multiple-choice question takes its options from them.
        side: what a fair program asks equally often, where that is not the answer itself.
    """

    answer: str
    evidence: tuple[str, ...]
    words: Mapping[str, str] = MappingProxyType({})
    wrong: tuple[str, ...] = ()
    side: str = ""


@dataclass(frozen=True, slots=True)
class Program:
    """One generator of questions, as data.

    Args:
        name: of the builder.
        makes: one line for people who look for a builder.
        needs: what a scene must have for it.
        paper: whose idea it is.
        phrasings: for each form of the question, the ways to put it; fields are ``Solution.words``. Where
            a form lists its candidates, ``FORM/choice`` are the ways to put it without them.
        propose: arguments of questions that may be worth asking, in the order in which they should be
            tried; a bounded number, whatever the scenes hold.
        solve: the truth, from the scenes alone; None where the question is not well defined, or would rest
            on what the annotation does not say. The only place where a program's truth is computed.
        possible: a quick look whether a scene may have anything for it.
        images: how many images a question is about, at least and at most.
        fair: whether the answer (or its side) is drawn before the question, each one equally likely.
        together: whether all that is proposed belongs into one conversation, in this order, or nothing.
        marks: what must be drawn into a copy of the image before the question can be asked.
    """

    name: str
    makes: str
    needs: str
    paper: str
    phrasings: Mapping[str, tuple[str, ...]]
    propose: Callable[[Views, Draws], Iterable[Arguments]]
    solve: Callable[[Views, Arguments], Solution | None]
    possible: Callable[[View], bool] = lambda view: True
    images: tuple[int, int] = (1, 1)
    fair: bool = False
    together: bool = False
    marks: Callable[[Arguments], Sequence[Sequence[str]]] | None = None


def form_of(arguments: Arguments) -> str:
    """The form of a question; "ask" where a program has but one."""
    form: str = arguments.get("form", "ask")
    return form
