"""Singular forms of English nouns: the one that CHAIR's numbers rest on, and the likely ones.

``pattern_singular`` reproduces ``pattern.en.singularize``, mistakes included (bus → bu, ties → ty, four →
fmy), because published CHAIR numbers depend on them. ``singular_candidates`` is for everything else.
"""

from __future__ import annotations

import re
from functools import lru_cache

_PREPOSITION_WORDS = """
about above across after among around at athwart before behind below beneath beside besides between betwixt
beyond but by during except for from in into near of off on onto out over since till to under until unto upon
with
"""
_PREPOSITIONS = frozenset(_PREPOSITION_WORDS.split())
_SAME_WORDS = """
bison bream breeches britches carp chassis christmas clippers cod contretemps corps debris diabetes djinn
eland elk flounder gallows georgia graffiti headquarters herpes high-jinks homework innings jackanapes
mackerel measles mews mumps news pincers pliers proceedings rabies salmon scissors series shears species
swine swiss trout tuna whiting wildebeest advice bread butter cheese electricity equipment fruit furniture
garbage gravel happiness information ketchup knowledge love luggage mathematics mayonnaise meat mustard
progress research rice sand software understanding water
"""
_SAME_IN_PLURAL = tuple(_SAME_WORDS.split())
_IES_WORDS = """
alergies aunties beanies birdies bogies bombies collies cookies cuties doggies eyries freebies goonies
groupies hankies hippies hoagies hotties indies junkies laddies laramies lingeries meanies newbies nighties
oldies pixies quickies reveries rookies softies sorties stoolies sweeties techies toughies valkyries veggies
weenies yuppies zombies ^pies ^ties
"""
_PLURAL_IN_IES_KEPT = tuple(_IES_WORDS.split())
"""Words that come back unchanged; the last two hold a literal caret in the original, so no word ends in
them."""
_IRREGULAR = {
    "atlantes": "atlas",
    "atlases": "atlas",
    "axes": "axe",
    "beeves": "beef",
    "brethren": "brother",
    "children": "child",
    "corpora": "corpus",
    "corpuses": "corpus",
    "ephemerides": "ephemeris",
    "feet": "foot",
    "ganglia": "ganglion",
    "geese": "goose",
    "genera": "genus",
    "genii": "genie",
    "graffiti": "graffito",
    "helves": "helve",
    "kine": "cow",
    "leaves": "leaf",
    "loaves": "loaf",
    "men": "man",
    "mongooses": "mongoose",
    "monies": "money",
    "moves": "move",
    "mythoi": "mythos",
    "numena": "numen",
    "occipita": "occiput",
    "octopodes": "octopus",
    "opera": "opus",
    "opuses": "opus",
    "our": "my",
    "oxen": "ox",
    "penes": "penis",
    "penises": "penis",
    "people": "person",
    "sexes": "sex",
    "soliloquies": "soliloquy",
    "teeth": "tooth",
    "testes": "testis",
    "trilbys": "trilby",
    "turves": "turf",
    "zoa": "zoon",
}
_ENDINGS: tuple[tuple[str, str, str], ...] = (
    # what must stand before the ending, the ending, what takes its place; the first that fits is used
    (r".", "ae", "a"),
    (r".", "itis", "itis"),
    (r".", "eaux", "eau"),
    (r"quiz", "zes", ""),
    (r"matr", "ices", "ix"),
    (r"ap|vert|ind", "ices", "ex"),
    (r"alias|status", "es", ""),
    (r"[ocptvir|]", "i", "us"),
    (r"cris|ax|test", "es", "is"),
    (r"shoe", "s", ""),
    (r"o", "es", ""),
    (r"bus", "es", ""),
    (r"[ml|]", "ice", "ouse"),
    (r"x|ch|ss|sh", "es", ""),
    (r"m", "ovies", "ovie"),
    (r".", "ombies", "ombie"),
    (r"s", "eries", "eries"),
    (r"[^aeiouy]|qu", "ies", "y"),
    (r"[aeo]l", "ves", "f"),
    (r"[^d]ea", "ves", "f"),
    (r"ar", "ves", "f"),
    (r"er", "ves", "ve"),
    (r"[nlw]i", "ves", "fe"),
    (r"[lr]", "ves", "f"),
    (r"[aeo]", "ves", "ve"),
    (r"sive|tive|hive", "s", ""),
    (r"[^f]", "ves", "fe"),
    (r"^analy", "ses", "sis"),
    (r"analy", "ses", "asis"),
    (r"ba|diagno|parenthe|progno|synop|the", "ses", "sis"),
    (r".", "opses", "opsis"),
    (r".", "yses", "ysis"),
    (r"h|d|r|o|n|b|cl|p", "oses", "ose"),
    (r"fruct|gluc|galact|lact|ket|malt|rib|sacchar|cellul", "ose", "ose"),
    (r".", "oses", "osis"),
    (r"[ti]", "a", "um"),
    (r"n", "ews", "ews"),
    (r"", "s", ""),
)
_RULES = tuple((re.compile(f"({before}){ending}$", re.IGNORECASE), new) for before, ending, new in _ENDINGS)
_OX = re.compile("^(ox)en", re.IGNORECASE)
_RULES_BEFORE_OX = 6


@lru_cache(maxsize=1 << 14)
def pattern_singular(word: str) -> str:
    """Singular of ``word`` as ``pattern.en.singularize`` gives it, right or wrong.

    Kept quirks: any tail of a word that has no plural comes back as it is; endings of irregular plurals are
    replaced inside longer words; a trailing apostrophe becomes 's.

    Source: clips/pattern 3.6, pattern/text/en/inflect.py.
    """
    head, *tail = word.split("-")
    if tail and tail[0] in _PREPOSITIONS:
        return "-".join([pattern_singular(head), *tail])
    if word.endswith("'"):
        return pattern_singular(word[:-1]) + "'s"
    lowered = word.lower()
    if any(same.endswith(lowered) for same in _SAME_IN_PLURAL):
        return word
    if lowered.endswith(_PLURAL_IN_IES_KEPT):
        return lowered
    for plural, singular in _IRREGULAR.items():
        if lowered.endswith(plural):
            return word[: -len(plural)] + singular
    return _by_ending(word)


def _by_ending(word: str) -> str:
    for number, (ending, new) in enumerate(_RULES):
        if number == _RULES_BEFORE_OX and _OX.search(word):
            return _OX.sub(r"\1", word)
        if ending.search(word):
            return ending.sub(rf"\g<1>{new}", word)
    return word


_COMMON_IRREGULAR = {
    "calves": "calf",
    "children": "child",
    "dice": "die",
    "feet": "foot",
    "geese": "goose",
    "men": "man",
    "mice": "mouse",
    "oxen": "ox",
    "people": "person",
    "teeth": "tooth",
    "women": "woman",
}


def singular_candidates(word: str) -> list[str]:
    """The word itself and what its singular may be, likeliest first; a vocabulary decides between them."""
    found = [word]
    for plural, singular in _COMMON_IRREGULAR.items():
        if word == plural or (plural == "men" and word.endswith("men") and word != "women"):
            found.append(word[: -len(plural)] + singular)
    if word.endswith("s") and not word.endswith("ss") and len(word) > 3:
        found.append(word[:-1])
        if word.endswith("ves"):
            found += [word[:-3] + "fe", word[:-3] + "f"]
        if word.endswith("ies"):
            found.append(word[:-3] + "y")
        if word.endswith("es"):
            found.append(word[:-2])
    return found
