"""Statements about a scene of which it is certain whether they are true, and how each is turned untrue.

Four kinds: an object is there, so many are there, a thing has an attribute, two things are in a relation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from data_builders.draws import Draws
from data_builders.programs.attribute_types import in_order, type_of
from data_builders.programs.attributes import wrong_values
from data_builders.programs.predicates import after_is, contradictions_of
from data_builders.programs.referring import named_apart, refer
from data_builders.programs.view import View, relation_id
from data_builders.programs.words import a, capital, countable, number_word, plural
from data_builders.scenes import SceneObject
from mmtune.records import IMAGE_PLACEHOLDER, VIDEO_PLACEHOLDER

Claim = Mapping[str, Any]
"""What a statement says, in plain JSON values; ``kind`` is a key of ``KINDS``."""

_MOST = 24
"""Claims of a kind that are looked at, and untrue versions of one, whatever the scene holds."""


@dataclass(frozen=True)
class Kind:
    """One kind of statement; the scene alone says what is true.

    Args:
        propose: true claims of a scene, in random order.
        say: the sentence; None where the claim cannot be put so that only one thing can be meant.
        truth: None where the annotation does not tell.
        evidence: ids of the objects and relations that a true claim rests on.
        untrue: claims that differ in one word and are certainly false.
    """

    propose: Callable[[View, Draws], list[Claim]]
    say: Callable[[View, Claim], str | None]
    truth: Callable[[View, Claim], bool | None]
    evidence: Callable[[View, Claim], tuple[str, ...]]
    untrue: Callable[[View, Claim, Draws], list[Claim]]


def _objects(view: View, draws: Draws) -> list[Claim]:
    found: dict[str, Claim] = {}
    for item in draws.few(view.objects, _MOST):
        if countable(item.name):
            known = tuple(value for value in item.attributes if type_of(value))
            claim = {"kind": "object", "class": item.name, "attributes": list(in_order(known)[-2:])}
            found.setdefault(item.name, claim)
    return list(found.values())


def _say_object(view: View, claim: Claim) -> str:
    return f"There is {a(' '.join((*claim['attributes'], claim['class'])))}."


def _fitting(view: View, claim: Claim) -> list[SceneObject]:
    wanted = set(claim["attributes"])
    return [item for item in view.by_name.get(claim["class"], ()) if wanted <= set(item.attributes)]


def _is_there(view: View, claim: Claim) -> bool | None:
    if _fitting(view, claim):
        return True
    group = view.by_name.get(claim["class"], ())
    lacking = all(any(view.lacks(item, value) for value in claim["attributes"]) for item in group)
    return False if claim["class"] in view.exhaustive and lacking else None


def _objects_meant(view: View, claim: Claim) -> tuple[str, ...]:
    return tuple(item.id for item in _fitting(view, claim))


def _other_object(view: View, claim: Claim, draws: Draws) -> list[Claim]:
    absent = [name for name in sorted(view.exhaustive - set(view.by_name)) if countable(name)]
    return [{**claim, "class": name} for name in draws.few(absent, _MOST)]


def _counts(view: View, draws: Draws) -> list[Claim]:
    names = [name for name in view.by_name if name in view.exhaustive and countable(name)]
    return [{"kind": "count", "class": name, "number": view.count(name)} for name in draws.few(names, _MOST)]


def _say_count(view: View, claim: Claim) -> str:
    number, name = claim["number"], claim["class"]
    if number == 1:  # where there are two, "there is one" would not be false
        return f"There is only one {name}."
    return f"There are {number_word(number)} {plural(name)}."


def _is_counted(view: View, claim: Claim) -> bool | None:
    if claim["class"] not in view.exhaustive:
        return None
    return view.count(claim["class"]) == claim["number"]


def _all_of_class(view: View, claim: Claim) -> tuple[str, ...]:
    return tuple(item.id for item in view.by_name.get(claim["class"], ()))


def _other_count(view: View, claim: Claim, draws: Draws) -> list[Claim]:
    number = claim["number"]
    return [{**claim, "number": other} for other in (number + 1, number - 1, number + 2) if other > 0]


def _attributes(view: View, draws: Draws) -> list[Claim]:
    found: list[Claim] = []
    for item in draws.few(named_apart(view), _MOST):
        values = [value for value in item.attributes if type_of(value)]
        found += [{"kind": "attribute", "object": item.id, "value": value} for value in values]
    draws.shuffle(found)
    return found


def _say_attribute(view: View, claim: Claim) -> str | None:
    thing = refer(view, view.by_id[claim["object"]], type_of(claim["value"]) or "")
    return None if thing is None else capital(f"{thing} is {claim['value']}.")


def _has_attribute(view: View, claim: Claim) -> bool | None:
    item = view.by_id[claim["object"]]
    if claim["value"] in item.attributes:
        return True
    return False if view.lacks(item, claim["value"]) else None


def _object_meant(view: View, claim: Claim) -> tuple[str, ...]:
    return (claim["object"],)


def _other_attribute(view: View, claim: Claim, draws: Draws) -> list[Claim]:
    item, kind = view.by_id[claim["object"]], type_of(claim["value"])
    wrong = wrong_values(view, item, kind) if kind else ()
    return [{**claim, "value": value} for value in draws.few(wrong[:3], 3)]


def _relations(view: View, draws: Draws) -> list[Claim]:
    named = {item.id for item in named_apart(view)}
    pairs = [pair for pair in view.relations if pair[0] != pair[1] and named.issuperset(pair)]
    found: list[Claim] = [
        {"kind": "relation", "subject": one, "predicate": predicate, "object": two}
        for one, two in draws.few(pairs, _MOST)
        for predicate in view.relations[one, two]
    ]
    # Those with an opposite first: of others nothing false can be said.
    return sorted(found, key=lambda claim: not contradictions_of(claim["predicate"]))


def _say_relation(view: View, claim: Claim) -> str | None:
    one, two = refer(view, view.by_id[claim["subject"]]), refer(view, view.by_id[claim["object"]])
    phrase = after_is(claim["predicate"])
    return None if one is None or two is None or phrase is None else capital(f"{one} is {phrase} {two}.")


def _holds(view: View, claim: Claim) -> bool | None:
    ids = claim["subject"], claim["predicate"], claim["object"]
    if view.holds(*ids):
        return True
    return False if view.denies(*ids) else None


def _relation_meant(view: View, claim: Claim) -> tuple[str, ...]:
    one, predicate, two = claim["subject"], claim["predicate"], claim["object"]
    return one, two, relation_id(one, predicate, two)


def _other_relation(view: View, claim: Claim, draws: Draws) -> list[Claim]:
    return [{**claim, "predicate": other} for other in sorted(contradictions_of(claim["predicate"]))]


KINDS: dict[str, Kind] = {
    "object": Kind(_objects, _say_object, _is_there, _objects_meant, _other_object),
    "count": Kind(_counts, _say_count, _is_counted, _all_of_class, _other_count),
    "attribute": Kind(_attributes, _say_attribute, _has_attribute, _object_meant, _other_attribute),
    "relation": Kind(_relations, _say_relation, _holds, _relation_meant, _other_relation),
}
"""Name -> kind, in the order in which a description has them."""


def say(view: View, claim: Claim) -> str | None:
    """The sentence of a claim; None where there is none, or a name would be read as a placeholder."""
    text = KINDS[claim["kind"]].say(view, claim)
    return None if text is None or IMAGE_PLACEHOLDER in text or VIDEO_PLACEHOLDER in text else text


def truth(view: View, claim: Claim) -> bool | None:
    """Whether a claim is true of the scene; None where the annotation does not tell."""
    return KINDS[claim["kind"]].truth(view, claim)


def evidence(view: View, claim: Claim) -> list[str]:
    """Ids of the objects and relations that a true claim rests on."""
    return list(KINDS[claim["kind"]].evidence(view, claim))


def untrue_versions(view: View, claim: Claim, draws: Draws) -> list[Claim]:
    """Claims that can be said and that the scene proves false, as like to a true one as can be."""
    return [
        other
        for other in KINDS[claim["kind"]].untrue(view, claim, draws)
        if truth(view, other) is False and say(view, other) not in (None, say(view, claim))
    ]
