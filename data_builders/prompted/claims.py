"""What an answer claims about objects, held against the scene: only what contradicts it is refused.

The check knows counts, attributes, presence and absence, relations, quoted text, and yes/no answers. What it
cannot read as a claim it leaves alone, so a text that passes is not proven; one that is refused is wrong.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from data_builders.programs.attribute_types import excludes, lacks, type_of
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
_THERE = re.compile(r"^(is|are) there (an?|any|some) $", re.IGNORECASE)
_HOW_MANY = re.compile(r"^how many $", re.IGNORECASE)
_WHOLE_IMAGE = re.compile(
    r"(\s+(there|(are|is) (there|visible|present|shown)|(can|do) you (see|count)|visible|present|anywhere"
    r"|at all|here))*(\s+in (the|this) (image|picture|photo|scene))?\s*(\?|\.|$)",
    re.IGNORECASE,
)
_THERE_ARE = re.compile(r"\bthere are (only |just |exactly )?[\w-]+\s+$", re.IGNORECASE)
_NOT_SAID = re.compile(
    r"\b(if|whether|unless|might|may|could|would|should|perhaps|possibly|probably|maybe|imagine|wish\w*|wants?"
    r"|(look|looks|looking|shaped|sounds?|much|just|something) like|resembl\w+|reminds?|reminiscent"
    r"|(instead|kind|type|sort) of)\b",
    re.IGNORECASE,
)
_NEXT_WORD = re.compile(r"[ -]([a-z]+)")
_MAY_FOLLOW = """
    a about above across against all along alone also among and are around as at be been before
    behind below beneath beside besides between both but by can close did do does down either far
    for from front had has have he here her his i in inside into is it its left lit made my near
    next of off on one onto or our out outside over past present seen she so stand sit lie standing
    than that the their there these they this those through to today together too toward towards
    under underneath up upon visible was we were where which while who whose will with within
    without you your
"""
_AFTER_A_NOUN = frozenset(_MAY_FOLLOW.split())
"""A noun before any other word may be a part of its name, as in "train station"."""
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
        proven: those of the reasons that show it to be untrue. That it speaks of the annotation shows
            nothing, and that a text was not annotated little, where nobody has promised that all were.
    """

    reasons: tuple[str, ...]
    evidence: tuple[str, ...]
    proven: tuple[str, ...] = ()


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
    evidence: dict[str, None] = {}
    leaks = [
        f"it speaks of the annotation ({leak[0]!r})"
        for text in (question, answer)
        if (leak := _SOURCE.search(text))
    ]
    vocabulary = _Vocabulary(scene)
    reasons = _question_and_answer(question, answer, vocabulary)
    for clause in _CLAUSE.split(re.sub(r"^(yes|no)\b[,.]?", "", answer, flags=re.IGNORECASE)):
        mentions = vocabulary.mentions(clause)
        for mention in mentions:
            evidence |= dict.fromkeys(item.id for item in mention.objects)
        if _NEGATION.search(clause):
            reasons += _denied(clause, mentions)
        else:
            reasons += _claimed(clause, mentions, vocabulary) + _related(clause, mentions, scene)
            reasons += _said_to_be(clause, mentions, scene)
    for mention in vocabulary.mentions(question):
        evidence |= dict.fromkeys(item.id for item in mention.objects)
    misread = _misread(answer, scene)
    proven = (*reasons, *(misread if _knows_all_writing(scene) else ()))
    every = dict.fromkeys((*leaks, *reasons, *misread))
    return Checked(tuple(every), tuple(evidence), tuple(dict.fromkeys(proven)))


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

    def most(self, mention: _Mention) -> int:
        """How many objects of the scene may fit a mention: all that do not certainly lack what it names."""
        known = self.scene.exhaustive_attributes
        return sum(
            not any(lacks(item.attributes, value, known) for value in mention.attributes)
            for item in self.scene.of_class(mention.name)
        )

    def is_exhaustive(self, name: str) -> bool:
        """Whether what is not annotated of a class is not there."""
        return name in self.scene.exhaustive_classes


def _claimed(clause: str, mentions: Iterable[_Mention], vocabulary: _Vocabulary) -> list[str]:
    """What is said to be there, and not only thought of or likened to."""
    if _NOT_SAID.search(clause):
        return []
    reasons = []
    for mention in mentions:
        if not vocabulary.is_exhaustive(mention.name) or _is_of_another_name(clause, mention):
            continue
        most = vocabulary.most(mention)
        few = mention.count is not None and mention.count < len(mention.objects)
        if not vocabulary.scene.of_class(mention.name):
            reasons.append(f"there is no {mention.name}")
        elif not most:
            reasons.append(f"there is no {mention}")
        elif mention.plural and ((mention.count or 0) > most or (few and _counts_all(clause, mention))):
            reasons.append(f"there are {len(mention.objects)} of {mention}, not {mention.count}")
    return reasons


def _is_of_another_name(clause: str, mention: _Mention) -> bool:
    """Whether the noun is but a part of another one, as in "train station" and "orange shirt"."""
    if mention.plural:
        return False
    if type_of(mention.name) == "color":  # and a fruit as well
        return True
    after = _NEXT_WORD.match(clause, mention.span[1])
    return (
        after is not None
        and after[1] not in _AFTER_A_NOUN
        and not after[1].endswith(("s", "ing", "ed", "ly"))
    )


def _counts_all(clause: str, mention: _Mention) -> bool:
    """Whether a number is that of all there are: "two dogs play" may be said where a third one sleeps."""
    before, after = clause[: mention.span[0]], clause[mention.span[1] :]
    return bool(_THERE_ARE.search(before) and _ANYWHERE.match(after))


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
    lead, rest = question[: mention.span[0]], question[mention.span[1] :]
    if _is_of_another_name(question, mention):
        return []
    if _THERE.match(lead):
        if _YES.match(answer) and not vocabulary.most(mention) and vocabulary.is_exhaustive(mention.name):
            return [f"there is no {mention}"]
        # "Is there a dog on the sofa?" can be denied where there is one on the floor.
        if _NO.match(answer) and mention.objects and _WHOLE_IMAGE.match(rest):
            return [f"there is a {mention}"]
    if _HOW_MANY.match(lead) and vocabulary.is_exhaustive(mention.name):
        numbers = [
            value for word in re.findall(r"\w+", answer) if (value := _number(word.lower())) is not None
        ]
        too_few = len(mention.objects) if _WHOLE_IMAGE.match(rest) else 0
        if len(numbers) == 1 and not too_few <= numbers[0] <= vocabulary.most(mention):
            return [f"there are {len(mention.objects)} of {mention}, not {numbers[0]}"]
    return []


def _misread(answer: str, scene: Scene) -> list[str]:
    """Quoted text that stands nowhere in the image, where the scene knows what is written there."""
    placed = [str(item.text) for item in scene.objects if item.text]
    written = [_plain(text) for text in placed or scene.texts]
    if not written:
        return []
    whole = " ".join(written)
    quoted = [_plain(one or two) for one, two in _QUOTED.findall(answer)]
    return [f"nothing reads {text!r}" for text in quoted if text and text not in whole]


def _knows_all_writing(scene: Scene) -> bool:
    names = {item.name for item in scene.objects if item.text}
    return bool(names) and names <= scene.exhaustive_classes


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
