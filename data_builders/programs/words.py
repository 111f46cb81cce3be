"""Words for people: plurals, articles, lists, and many ways to put one question."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

_IRREGULAR = {
    "person": "people",
    "man": "men",
    "woman": "women",
    "child": "children",
    "foot": "feet",
    "tooth": "teeth",
    "goose": "geese",
    "mouse": "mice",
    "leaf": "leaves",
    "loaf": "loaves",
    "shelf": "shelves",
    "knife": "knives",
    "wife": "wives",
    "life": "lives",
    "half": "halves",
    "wolf": "wolves",
    "calf": "calves",
    "scarf": "scarves",
    "thief": "thieves",
    "tomato": "tomatoes",
    "potato": "potatoes",
    "mango": "mangoes",
    "hero": "heroes",
    "echo": "echoes",
    "bus": "buses",
    "gas": "gases",
    "lens": "lenses",
    "ox": "oxen",
    "cactus": "cacti",
    "die": "dice",
}
_LISTS = {
    "same in plural": "sheep deer fish moose bison aircraft spacecraft series species",
    "uncountable": """
        grass water sky snow sand rain fog smoke fire ice mud dirt gravel wood metal hair fur skin rice bread
        cheese butter meat food fruit soup sauce salad milk juice coffee tea wine beer sugar salt furniture
        luggage baggage clothing jewelry equipment traffic graffiti writing lettering foliage vegetation
        greenery shade sunlight light money air ground land scenery weather stuff hay broccoli spinach pasta
        popcorn ketchup mustard paper
        """,
    "plural already": """
        pants jeans shorts trousers glasses sunglasses goggles scissors tongs pliers clothes people men women
        children feet teeth leaves dice bushes trees stairs skis
        """,
}
_SAME_IN_PLURAL, _UNCOUNTABLE, _ALREADY_PLURAL = (frozenset(words.split()) for words in _LISTS.values())
_SILENT_H = ("hour", "honest", "honor", "heir")
_YOO = ("uni", "use", "euro", "ewe", "one", "ufo")
_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@lru_cache(maxsize=65536)
def countable(name: str) -> bool:
    """Whether "how many" may be asked of a class: it is no mass of something and not a plural already."""
    last = name.rsplit(" ", 1)[-1]
    return bool(last) and last not in _UNCOUNTABLE and last not in _ALREADY_PLURAL


@lru_cache(maxsize=65536)
def plural(name: str) -> str:
    """The plural of a class name, of which the last word counts."""
    head, _, last = name.rpartition(" ")
    return f"{head} {_plural_word(last)}" if head else _plural_word(last)


def _plural_word(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word in _SAME_IN_PLURAL:
        return word
    for singular, many in (("woman", "women"), ("man", "men")):
        if word.endswith(singular) and word != "human":
            return word.removesuffix(singular) + many
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return f"{word}es"
    if word.endswith("y") and word[-2:-1] not in tuple("aeiou"):
        return f"{word[:-1]}ies"
    return f"{word}s"


@lru_cache(maxsize=65536)
def a(phrase: str) -> str:
    """The phrase with its indefinite article."""
    first = phrase.lower()
    vowel = first.startswith(tuple("aeiou")) and not first.startswith(_YOO)
    return f"{'an' if vowel or first.startswith(_SILENT_H) else 'a'} {phrase}"


def number_word(count: int) -> str:
    """The number in words up to ten, in digits above."""
    return _NUMBERS[count] if 0 <= count < len(_NUMBERS) else str(count)


def join_words(phrases: Sequence[str], last: str = "and") -> str:
    """The phrases with commas and a final "and" (or another word)."""
    if len(phrases) < 2:
        return "".join(phrases)
    return f"{', '.join(phrases[:-1])} {last} {phrases[-1]}"


def capital(sentence: str) -> str:
    """The sentence with its first letter in upper case."""
    return sentence[:1].upper() + sentence[1:]


_SPACE_BEFORE = re.compile(r" ([?.,:])")
_CHOICE = re.compile(r"\(([^()]*\|[^()]*)\)")


def phrasings(*patterns: str) -> tuple[str, ...]:
    """Every text that the patterns stand for, each once: ``(a|b|)`` is one of these or nothing.

    Fields in braces stay as they are, and spaces are put right.
    """
    found: dict[str, None] = {}
    waiting = list(reversed(patterns))
    while waiting:
        pattern = waiting.pop()
        inner = _CHOICE.search(pattern)
        if inner is None:
            found[capital(_SPACE_BEFORE.sub(r"\1", " ".join(pattern.split())))] = None
            continue
        head, tail = pattern[: inner.start()], pattern[inner.end() :]
        waiting += [f"{head}{choice}{tail}" for choice in reversed(inner.group(1).split("|"))]
    return tuple(found)


HERE = "(in the image,|in this picture,|looking at the picture,|)"
"""How a question may begin."""
SHOWN = "(in the image|in the picture|in this scene|)"
"""Where a thing is that a question speaks of."""
