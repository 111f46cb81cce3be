"""What a record may be used for: the licences of all that it was made from, the strictest of them first.

Licences are compared by what they ask of a user. This orders data sets; it is no legal advice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

UNKNOWN = "unknown"
"""What a record has that states no licence, or one that is not known."""

RANKS: dict[str, int] = {
    "public domain": 0,
    "permissive": 1,
    "attribution": 2,
    "share alike": 3,
    "no derivatives": 4,
    "non-commercial": 5,
    "non-commercial, share alike": 6,
    "non-commercial, no derivatives": 7,
    "research only": 8,
    UNKNOWN: 9,
}
"""Classes of licences, the freest first."""

# The first pattern that fits a name (lower case, words with single spaces) gives its class. Creative Commons'
# attribution licences are read word by word: see ``_attribution``.
_PATTERNS: tuple[tuple[str, str], ...] = (
    (r"unknown|unspecified|other|none|n a", UNKNOWN),
    (
        r"(cc0|cc zero|cc 0|public domain|pddl|pdm|unlicense|us government work|no known .*)( .*)?",
        "public domain",
    ),
    (r"odc by( .*)?", "attribution"),
    (r"(odbl|gpl|agpl|lgpl|cdla sharing)( .*)?", "share alike"),
    (r"(mit|apache|bsd|isc|cdla permissive|zlib)( .*)?", "permissive"),
    (r".*(research only|research purposes|academic use|academic only|research use).*", "research only"),
    # What miniworld says of its pictures: UCI's handwriting and two packages' photographs, CC BY or freer.
    (r"handwriting and photographs as licensed by scikit learn and scikit image", "attribution"),
)
_COMPILED = tuple((re.compile(pattern), kind) for pattern, kind in _PATTERNS)
_ATTRIBUTION = re.compile(r"(cc by|creative commons attribution|creative commons by|attribution)\b(.*)")
_NON_COMMERCIAL = re.compile(r"\b(nc|noncommercial|non commercial)\b")
_NO_DERIVATIVES = re.compile(r"\b(nd|noderivs|noderivatives|no derivs|no derivatives)\b")
_SHARE_ALIKE = re.compile(r"\b(sa|sharealike|share alike)\b")
_SPLIT = re.compile(r"\s*;\s*|\s+AND\s+|\s*\+\s+")
_CHOICE = re.compile(r"\s+OR\s+")


def class_of(licence: str, known: Mapping[str, str] | None = None) -> str:
    """The class of a licence: of several joined by ``;`` or ``AND`` the strictest, by ``OR`` the freest.

    Args:
        licence: as ``CC-BY-4.0``, ``MIT OR Apache-2.0``, ``CC0-1.0; CC BY-NC 2.0``.
        known: further names and the class or name that each stands for.

    Returns:
        A key of ``RANKS``; ``unknown`` for what is not recognised.
    """
    parts = [part for part in _SPLIT.split(licence.strip()) if part]
    classes = [
        min((_one(choice, known or {}) for choice in _CHOICE.split(part)), key=RANKS.__getitem__)
        for part in parts
    ]
    return strictest(classes) if classes else UNKNOWN


def strictest(classes: Iterable[str]) -> str:
    """The strictest of some classes; two that forbid different things together are what forbids both."""
    found = set(classes)
    if not found:
        return UNKNOWN
    worst = max(found, key=RANKS.__getitem__)
    if worst in ("non-commercial", "non-commercial, share alike"):
        if "no derivatives" in found:
            return "non-commercial, no derivatives"
        if "share alike" in found:
            return "non-commercial, share alike"
    return worst


def stated_in(meta: Mapping[str, Any]) -> list[str]:
    """The licences that a record states: its own and those of its parents.

    Read are ``licence`` and ``license`` (a text or a list of texts), and the same of every entry of
    ``parents`` and ``images`` that is an object. A parent that states none counts as unknown.
    """
    found = _texts(meta)
    for group in ("parents", "parent"):
        entries = meta.get(group)
        entries = [entries] if isinstance(entries, Mapping) else entries
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, Mapping):
                found += stated_in(entry) or [UNKNOWN]
    return found


def licence_class(meta: Mapping[str, Any], known: Mapping[str, str] | None = None) -> str:
    """The class of a record: that of its strictest parent, ``unknown`` where one states nothing."""
    stated = stated_in(meta)
    return strictest(class_of(one, known) for one in stated) if stated else UNKNOWN


def _texts(meta: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    for key in ("licence", "license"):
        value = meta.get(key)
        found += [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]
    return [one for one in found if one.strip()]


def _one(name: str, known: Mapping[str, str]) -> str:
    name = known.get(name, name)
    if name in RANKS:
        return name
    plain = " ".join(re.sub(r"[^a-z0-9]+", " ", name.casefold()).split())
    plain = re.sub(r"^(https? )?creativecommons org (licenses|publicdomain zero) ", "cc ", plain)
    plain = "cc0" if plain.startswith("cc 1 0") else plain.removeprefix("the ")
    if found := _ATTRIBUTION.fullmatch(plain):
        return _attribution(found[2])
    return next((kind for pattern, kind in _COMPILED if pattern.fullmatch(plain)), UNKNOWN)


def _attribution(rest: str) -> str:
    """The class of an attribution licence from the words behind "attribution"."""
    kind = "non-commercial" if _NON_COMMERCIAL.search(rest) else "attribution"
    if _NO_DERIVATIVES.search(rest):
        return "no derivatives" if kind == "attribution" else f"{kind}, no derivatives"
    if _SHARE_ALIKE.search(rest):
        return "share alike" if kind == "attribution" else f"{kind}, share alike"
    return kind
