"""What there is in the small world, and how it is called."""

from __future__ import annotations

from collections.abc import Mapping

SHAPES = (
    "circle",
    "square",
    "triangle",
    "star",
    "heart",
    "diamond",
    "ring",
    "moon",
    "arrow",
    "bolt",
    "bow",
    "flag",
)
DIGIT = "digit"
WORD = "word"
CLASSES = (*SHAPES, DIGIT, WORD)

COLORS: Mapping[str, tuple[int, int, int]] = {
    "red": (216, 40, 38),
    "orange": (242, 138, 22),
    "yellow": (248, 226, 58),
    "green": (44, 158, 66),
    "blue": (34, 82, 214),
    "purple": (146, 56, 176),
    "white": (248, 248, 248),
    "black": (18, 18, 20),
}
# Ink in these colours would be lost on a light card, so their card is dark.
LIGHT_COLORS = frozenset({"orange", "yellow", "white"})

SIZES = ("small", "large")

WORDS = (
    "cat",
    "dog",
    "sun",
    "car",
    "bus",
    "cow",
    "hat",
    "bed",
    "fox",
    "egg",
    "jam",
    "key",
    "milk",
    "book",
    "fish",
    "lamp",
    "ship",
    "door",
    "rain",
    "king",
    "apple",
    "bread",
    "river",
    "tiger",
)

# Classes that go together, so that what is absent but expected differs from what is absent at random.
# theme -> (its share of the scenes, weight of each class inside it)
THEMES: Mapping[str, tuple[float, Mapping[str, float]]] = {
    "sky": (0.42, {"star": 5, "moon": 4, "bolt": 3, "circle": 3, DIGIT: 4, WORD: 2}),
    "gift": (0.33, {"heart": 5, "bow": 3, "ring": 3, "diamond": 3, DIGIT: 4, WORD: 3}),
    "sign": (0.25, {"arrow": 5, "square": 4, "triangle": 4, "flag": 3, DIGIT: 4, WORD: 4}),
}

SUPERCATEGORIES: Mapping[str, str] = {
    name: "text"
    if name in (DIGIT, WORD)
    else next(theme for theme, (_, members) in THEMES.items() if name in members)
    for name in CLASSES
}

_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def plural(name: str) -> str:
    """The plural of a class name; all of miniworld's are regular."""
    return f"{name}s"


def a(phrase: str) -> str:
    """The phrase with its indefinite article."""
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def number_word(count: int) -> str:
    """The number in words up to ten, in digits above."""
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)
