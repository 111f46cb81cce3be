"""Relations in words: which predicates say the same, which exclude each other, how a sentence has them."""

from __future__ import annotations

from functools import lru_cache

_SYNONYMS = {
    "to the left of": "left of",
    "on the left of": "left of",
    "on left of": "left of",
    "to left of": "left of",
    "to the right of": "right of",
    "on the right of": "right of",
    "on right of": "right of",
    "to right of": "right of",
    "on top of": "on",
    "in back of": "behind",
    "underneath": "under",
    "beneath": "under",
    "next to the": "next to",
    "inside of": "inside",
}
_CONTRARIES = (
    ("left of", "right of"),
    ("above", "below"),
    ("above", "under"),
    ("over", "under"),
    ("over", "below"),
    ("on", "under"),
    ("on", "below"),
    ("in front of", "behind"),
    ("larger than", "smaller than"),
    ("taller than", "shorter than"),
    ("closer than", "farther than"),
)
_CONTRARIES_OF: dict[str, frozenset[str]] = {}
for _one, _two in _CONTRARIES:
    _CONTRARIES_OF[_one] = _CONTRARIES_OF.get(_one, frozenset()) | {_two}
    _CONTRARIES_OF[_two] = _CONTRARIES_OF.get(_two, frozenset()) | {_one}
_NONE: frozenset[str] = frozenset()
_PHRASES = {
    "left of": "to the left of",
    "right of": "to the right of",
    "wears": "wearing",
    "holds": "holding",
    "rides": "riding",
    "eats": "eating",
    "covers": "covering",
    "carries": "carrying",
    "hold": "holding",
    "wear": "wearing",
    "ride": "riding",
}
# These do not stand after "is".
_NO_PHRASE = frozenset({"has", "have", "had", "of", "'s", "and", "for", "to", "a", "the", "is", "are"})
_ENDS_IN_S = frozenset({"across", "towards", "past", "as", "downwards", "upwards", "besides", "alongside"})


@lru_cache(maxsize=65536)
def canonical(predicate: str) -> str:
    """The predicate in lower case and without a leading "is", in the usual one of several ways to say it."""
    words = " ".join(predicate.lower().split())
    words = words.removeprefix("is ").removeprefix("are ")
    return _SYNONYMS.get(words, words)


def contradictions_of(predicate: str) -> frozenset[str]:
    """Predicates that cannot hold between the same two things at once, nor these the other way round."""
    return _CONTRARIES_OF.get(predicate, _NONE)


@lru_cache(maxsize=65536)
def after_is(predicate: str) -> str | None:
    """The predicate as it stands after "is", as "to the left of"; None where it cannot stand there."""
    if predicate in _PHRASES:
        return _PHRASES[predicate]
    first = predicate.split(" ", 1)[0]
    if not first or first in _NO_PHRASE or (first.endswith("s") and first not in _ENDS_IN_S):
        return None
    return predicate
