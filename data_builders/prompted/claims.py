"""What an answer claims about objects, held against the scene: only what contradicts it is refused.

The check knows counts, attributes, presence and absence, relations, quoted text, and yes/no answers. What it
cannot read as a claim it leaves alone, so a text that passes is not proven; one that is refused is wrong.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from data_builders.programs.attribute_types import excludes, type_of
from data_builders.programs.predicates import canonical, contradictions_of
from data_builders.scenes import Scene, SceneObject

_NUMBERS = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "eleven": 11, "twelve": 12,
}  # fmt: skip
_OPPOSITE = {
    "left of": "right of", "to the left of": "to the right of", "above": "below", "over": "under",
    "in front of": "behind", "on top of": "underneath", "inside": "outside",
}  # fmt: skip
OPPOSITES = {**_OPPOSITE, **{two: one for one, two in _OPPOSITE.items()}}
_NEGATION = re.compile(
    r"\b(no|not|never|none|neither|nor|without|isn't|aren't|absent|missing|lacks?)\b|n't\b"
)
_DENIAL = re.compile(
    r"\b(no|without( an?| any)?|there (is|are) not (an?|any)|there (isn't|aren't) (an?|any))\s+$",
    re.IGNORECASE,
)
_ANYWHERE = re.compile(
    r"\s*($|,|or\b|(visible|present|here|anywhere|at all|in the (image|picture|photo|scene))\b)"
)
_SOURCE = re.compile(
    r"\b(the|these|this|given|provided|both|all|several) captions?\b"
    r"|\b(bounding box(es)?|annotations?|coordinates?|scene graph)\b|\[\s*\d?\.\d+\s*,",
    re.IGNORECASE,
)
_YES, _NO = re.compile(r"yes\b", re.IGNORECASE), re.compile(r"no\b", re.IGNORECASE)
_THERE = re.compile(r"^(is|are) there (an?|any|some) ", re.IGNORECASE)
_HOW_MANY = re.compile(r"^how many ", re.IGNORECASE)
_QUOTED = re.compile(r'"([^"\n]{1,200})"|“([^”\n]{1,200})”')
_THE = re.compile(r"\bthe\s+$", re.IGNORECASE)
_PREDICATE = re.compile(r"\s+is ([\w-]+(?:(?:,? and |, )[\w-]+)*)")
_CLAUSE = re.compile(r"[.;!?\n]+|, (?=but|and there|while|whereas)|\bbut\b")


@dataclass(frozen=True)
class Checked:
    """What a scene says about an answer.

    Args:
        reasons: why it is untrue, or speaks of what nobody can see; empty where nothing was found.
        evidence: ids of the objects that it speaks of.
    """

    reasons: tuple[str, ...]
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class _Mention:
    """A noun phrase of the text that names a class of the scene's vocabulary."""

    name: str
    count: int | None
    """The number that it states."""
    attributes: tuple[str, ...]
    objects: tuple[SceneObject, ...]
    """Of the scene that fit it."""
    span: tuple[int, int]
    """Where it stands, with its attributes."""
    plural: bool

    def __str__(self) -> str:
        return " ".join([*self.attributes, self.name])


def check_answer(question: str, answer: str, scene: Scene) -> Checked:
    """Hold an answer against the scene.

    Only classes that the scene annotates exhaustively can be said to be absent or counted, and attributes
    only where the scene says that it knows some types in full; a relation is untrue where its opposite is
    annotated and it is not.
    """
    reasons: list[str] = []
    evidence: dict[str, None] = {}
    for text in (question, answer):
        if leak := _SOURCE.search(text):
            reasons.append(f"it speaks of the annotation ({leak[0]!r})")
    vocabulary = _Vocabulary(scene)
    reasons += _question_and_answer(question, answer, vocabulary)
    for clause in _CLAUSE.split(re.sub(r"^(yes|no)\b[,.]?", "", answer, flags=re.IGNORECASE)):
        mentions = vocabulary.mentions(clause)
        for mention in mentions:
            evidence |= dict.fromkeys(item.id for item in mention.objects)
        if _NEGATION.search(clause):
            reasons += _denied(clause, mentions)
        else:
            reasons += _claimed(mentions, vocabulary) + _related(clause, mentions, scene)
            reasons += _said_to_be(clause, mentions, scene)
    for mention in vocabulary.mentions(question):
        evidence |= dict.fromkeys(item.id for item in mention.objects)
    reasons += _misread(answer, scene)
    return Checked(tuple(dict.fromkeys(reasons)), tuple(evidence))


class _Vocabulary:
    """The classes and attributes that a scene can be asked about."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        names = {item.name for item in scene.objects} | scene.exhaustive_classes
        self.attributes = {attribute for item in scene.objects for attribute in item.attributes}
        self._class_of = {form: name for name in sorted(names) for form in (name, *plurals(name))}
        forms = sorted(map(re.escape, self._class_of), key=len, reverse=True)
        self._noun = re.compile(rf"\b({'|'.join(forms)})\b", re.IGNORECASE) if forms else None

    def mentions(self, text: str) -> list[_Mention]:
        """The noun phrases of a text, in order."""
        if self._noun is None:
            return []
        found, before = [], 0
        for noun in self._noun.finditer(text):
            name = self._class_of[noun[1].lower()]
            words = list(re.finditer(r"[\w'-]+", text[before : noun.start()]))[-4:]
            start = noun.start()
            attributes: list[str] = []
            while words and words[-1][0].lower() in self.attributes:
                word = words.pop()
                attributes.insert(0, word[0].lower())
                start = before + word.start()
            count = _number(words[-1][0].lower()) if words else None
            objects = tuple(
                item for item in self.scene.of_class(name) if set(attributes) <= set(item.attributes)
            )
            plural, span = noun[1].lower() != name, (start, noun.end())
            found.append(_Mention(name, count, tuple(attributes), objects, span, plural))
            before = noun.end()
        return found

    def is_exhaustive(self, name: str) -> bool:
        """Whether what is not annotated of a class is not there."""
        return name in self.scene.exhaustive_classes


def _claimed(mentions: Iterable[_Mention], vocabulary: _Vocabulary) -> list[str]:
    """What is said to be there."""
    reasons = []
    for mention in mentions:
        of_class = vocabulary.scene.of_class(mention.name)
        if not vocabulary.is_exhaustive(mention.name):
            continue
        if not of_class:
            reasons.append(f"there is no {mention.name}")
        elif mention.attributes and not vocabulary.scene.exhaustive_attributes:
            continue  # what is annotated with one color may be said to be of another
        elif not mention.objects:
            reasons.append(f"there is no {mention}")
        elif mention.plural and mention.count not in (None, len(mention.objects)):
            reasons.append(f"there are {len(mention.objects)} of {mention}, not {mention.count}")
    return reasons


def _said_to_be(clause: str, mentions: Sequence[_Mention], scene: Scene) -> list[str]:
    """Attributes that stand behind "is" and are excluded by one of the same type."""
    reasons = []
    for mention in mentions:
        predicate = _PREDICATE.match(clause[mention.span[1] :])
        if predicate is None or not _THE.search(clause[: mention.span[0]]):
            continue
        if len(mention.objects) != 1 or mention.name not in scene.exhaustive_classes:
            continue
        for value in re.split(r",? and |, ", predicate[1].lower()):
            kind = type_of(value)
            if kind is None:
                break
            known = [other for other in mention.objects[0].attributes if type_of(other) == kind]
            if known and kind in scene.exhaustive_attributes and all(excludes(one, value) for one in known):
                reasons.append(f"the {mention} is {' and '.join(known)}, not {value}")
    return reasons


def _denied(clause: str, mentions: Sequence[_Mention]) -> list[str]:
    """What is said not to be there at all; "no star is red" and "not a star but a ring" say less."""
    return [
        f"there is a {mention}"
        for mention in mentions
        if mention.objects
        and _DENIAL.search(clause[: mention.span[0]])
        and _ANYWHERE.match(clause[mention.span[1] :])
    ]


def _related(clause: str, mentions: Sequence[_Mention], scene: Scene) -> list[str]:
    """Relations between two things that the clause names beyond doubt."""
    reasons = []
    annotated = {(item.subject, item.predicate, item.object) for item in scene.relations}
    for one, two in itertools.pairwise(mentions):
        between = " ".join(clause[one.span[1] : two.span[0]].lower().split())
        if len(one.objects) != 1 or len(two.objects) != 1:
            continue
        for predicate, opposite in OPPOSITES.items():
            if not re.search(rf"\b{predicate} (the|an?)\b", between):
                continue
            first, second = one.objects[0].id, two.objects[0].id
            short = predicate.removeprefix("to the ")
            if {(first, short, second), (first, predicate, second)} & annotated:
                continue
            contrary = (
                opposite.removeprefix("to the "),
                opposite,
                *sorted(contradictions_of(canonical(short))),
            )
            if found := [other for other in contrary if (first, other, second) in annotated]:
                reasons.append(f"the {one} is {found[0]} the {two}, not {predicate} it")
    return reasons


def _question_and_answer(question: str, answer: str, vocabulary: _Vocabulary) -> list[str]:
    """Answers that claim something only together with their question: yes, no, and numbers."""
    asked = vocabulary.mentions(question)
    if len(asked) != 1:
        return []
    (mention,) = asked
    if _THERE.match(question):
        if _YES.match(answer) and not mention.objects and vocabulary.is_exhaustive(mention.name):
            return [f"there is no {mention}"]
        if _NO.match(answer) and mention.objects:
            return [f"there is a {mention}"]
    if _HOW_MANY.match(question) and vocabulary.is_exhaustive(mention.name):
        numbers = [
            value for word in re.findall(r"\w+", answer) if (value := _number(word.lower())) is not None
        ]
        if len(numbers) == 1 and numbers[0] != len(mention.objects):
            return [f"there are {len(mention.objects)} of {mention}, not {numbers[0]}"]
    return []


def _misread(answer: str, scene: Scene) -> list[str]:
    """Quoted text that stands nowhere in the image, where the scene knows what is written there."""
    written = [_plain(str(item.text)) for item in scene.objects if item.text]
    if not written:
        return []
    whole = " ".join(written)
    quoted = [_plain(one or two) for one, two in _QUOTED.findall(answer)]
    return [f"nothing reads {text!r}" for text in quoted if text and text not in whole]


def plurals(name: str) -> tuple[str, ...]:
    """How the plural of a class may be written."""
    if name.endswith(("s", "x", "z", "ch", "sh")):
        return (f"{name}es",)
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        return (f"{name[:-1]}ies",)
    if name.endswith("man"):
        return (f"{name[:-3]}men",)
    return {"person": ("people", "persons"), "child": ("children",), "sheep": ()}.get(name, (f"{name}s",))


def _number(word: str) -> int | None:
    return int(word) if word.isdecimal() and len(word) < 6 else _NUMBERS.get(word)


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
