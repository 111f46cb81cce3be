"""Which attributes are of one type, which exclude each other, and in which order they are said."""

from __future__ import annotations

import json
from collections.abc import Container, Sequence
from functools import lru_cache
from pathlib import Path

TYPES: dict[str, tuple[str, ...]] = {
    kind: tuple(values)
    for kind, values in json.loads(
        Path(__file__).with_name("attribute_types.json").read_text(encoding="utf-8")
    ).items()
}
"""Type -> values, in the order in which a person says them: "small round red wooden"."""

_TYPE_OF = {value: kind for kind, values in TYPES.items() for value in values}
_ORDER = {kind: place for place, kind in enumerate(TYPES)}
_EXCLUSIVE = frozenset({"color", "material", "shape", "pattern"})
"""Types of which a thing has one value, so that another one is wrong unless it is near."""
_NEAR = tuple(
    frozenset(group.split(", "))
    for group in (
        "red, maroon", "maroon, brown", "maroon, purple", "red, pink", "pink, violet", "pink, purple",
        "purple, violet", "gray, grey, silver", "white, cream, beige", "white, silver", "tan, brown",
        "tan, beige, cream", "yellow, gold, blonde", "blonde, tan", "yellow, cream", "orange, gold",
        "teal, turquoise, green", "teal, turquoise, blue", "metal, stainless steel", "wooden, wicker",
        "stone, marble", "stone, brick", "stone, concrete", "brick, concrete", "brick, tiled", "stone, tiled",
        "marble, tiled", "ceramic, tiled", "ceramic, stone", "ceramic, glass", "cloth, denim",
        "cloth, leather", "plastic, rubber", "plastic, glass", "round, circular, oval, curved",
        "square, rectangular",
        "flat, straight", "flat, round", "flat, circular", "flat, oval", "flat, square", "flat, rectangular",
        "flat, triangular", "striped, plaid, checkered, patterned", "floral, patterned", "spotted, patterned",
        "straight, square", "straight, rectangular", "straight, triangular",
    )
)  # fmt: skip
"""Values that people use of the same thing, so that none of them is wrong where another one is annotated."""
_SMALL, _LARGE = ("small", "tiny", "little"), ("large", "big", "huge", "giant", "enormous")
_OPPOSITES = (
    *((one, two) for one in _SMALL for two in _LARGE),
    ("long", "short"), ("tall", "low"), ("tall", "short"), ("high", "low"), ("wide", "narrow"),
    ("thick", "thin"), ("young", "old"), ("young", "elderly"), ("new", "old"), ("open", "closed"),
    ("on", "off"), ("lit", "unlit"), ("full", "empty"), ("wet", "dry"), ("clean", "dirty"),
    ("bright", "dark"), ("light", "dark"), ("smooth", "rough"), ("curved", "straight"),
    ("standing", "sitting"), ("standing", "lying"), ("sitting", "lying"), ("sitting", "walking"),
    ("sitting", "running"), ("lying", "walking"), ("lying", "running"),
)  # fmt: skip
_OPPOSITES_OF: dict[str, frozenset[str]] = {}
for _one, _two in _OPPOSITES:
    _OPPOSITES_OF[_one] = _OPPOSITES_OF.get(_one, frozenset()) | {_two}
    _OPPOSITES_OF[_two] = _OPPOSITES_OF.get(_two, frozenset()) | {_one}
_NONE: frozenset[str] = frozenset()


@lru_cache(maxsize=65536)
def type_of(value: str) -> str | None:
    """The type of an attribute, of which the last word counts ("dark blue" is a color); None if unknown."""
    found = _TYPE_OF.get(value)
    return found if found or " " not in value else _TYPE_OF.get(value.rsplit(" ", 1)[-1])


def opposites_of(value: str) -> frozenset[str]:
    """Attributes that cannot hold where this one does."""
    return _OPPOSITES_OF.get(value, _NONE)


@lru_cache(maxsize=65536)
def excludes(value: str, other: str) -> bool:
    """Whether two attributes of one type are so different that what has the one has not the other."""
    if other in opposites_of(value):
        return True
    one, two = value.rsplit(" ", 1)[-1], other.rsplit(" ", 1)[-1]
    kind = type_of(value)
    if kind not in _EXCLUSIVE or kind != type_of(other) or one == two or " and " in f"{value}{other}":
        return False
    return not any({value, one} & near and {other, two} & near for near in _NEAR)


def lacks(attributes: Sequence[str], value: str, exhaustive: Container[str | None]) -> bool:
    """Whether it is certain that a thing with these attributes has not another one.

    Either all values of its type are known, and none of them is near this one, or the opposite is annotated.
    What is merely not annotated may hold all the same.

    Args:
        attributes: that are annotated.
        value: the one asked about.
        exhaustive: types whose values are annotated in full.
    """
    if value in attributes:
        return False
    opposites = opposites_of(value)
    if opposites and not opposites.isdisjoint(attributes):
        return True
    kind = type_of(value)
    if kind is None or kind not in exhaustive:
        return False
    known = [other for other in attributes if type_of(other) == kind]
    return bool(known) and all(excludes(other, value) for other in known)


@lru_cache(maxsize=65536)
def in_order(attributes: tuple[str, ...]) -> tuple[str, ...]:
    """Attributes in the order in which a person says them, each once."""
    return tuple(
        sorted(dict.fromkeys(attributes), key=lambda value: _ORDER.get(type_of(value) or "", len(_ORDER)))
    )
