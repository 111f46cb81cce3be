"""How objects and places are put into words, for captions and questions alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from data_builders.miniworld.vocabulary import DIGIT, WORD, a, number_word, plural
from data_builders.scenes import Scene, SceneObject

ROWS = ("top", "middle", "bottom")
COLUMNS = ("left", "center", "right")
CELLS = tuple("center" if (r, c) == ("middle", "center") else f"{r} {c}" for r in ROWS for c in COLUMNS)


def color_of(item: SceneObject) -> str:
    """The colour; the first attribute of everything in miniworld."""
    return item.attributes[0]


def size_of(item: SceneObject) -> str | None:
    """ "small" or "large"; None for words, which all have one size."""
    return item.attributes[1] if len(item.attributes) > 1 else None


def cell_index(scene: Scene, item: SceneObject, margin: float = 0.0) -> int | None:
    """The cell of the 3x3 grid, row by row, that holds the object's centre.

    Args:
        scene: the picture that is divided into nine.
        item: one of its objects.
        margin: pixels that the centre must keep from the lines inside the grid; None where it does not.
    """
    x, y = item.center
    column, row = _third(x, scene.width, margin), _third(y, scene.height, margin)
    return None if column is None or row is None else 3 * row + column


def cell_of(scene: Scene, item: SceneObject) -> str:
    """The name of the cell that holds the object's centre."""
    index = cell_index(scene, item)
    assert index is not None
    return CELLS[index]


def reading_order(scene: Scene) -> list[SceneObject]:
    """The objects by row of the 3x3 grid, and from left to right inside a row."""
    return sorted(scene.objects, key=lambda item: ((cell_index(scene, item) or 0) // 3, item.center, item.id))


def noun(item: SceneObject) -> str:
    """The class, with what is written on a digit or a word."""
    if item.name == DIGIT:
        return f"digit {item.text}"
    return f'word "{item.text}"' if item.name == WORD else item.name


def describe(item: SceneObject, *, size: bool = True) -> str:
    """The object without article, as "small red star"."""
    words = [size_of(item)] if size and size_of(item) else []
    return " ".join([*[word for word in words if word], color_of(item), noun(item)])


def refer(scene: Scene, item: SceneObject, *, using: Sequence[str] = ("color", "size")) -> str | None:
    """The shortest definite phrase that fits this object alone; None where there is none.

    Args:
        scene: the other candidates.
        item: the object meant.
        using: properties that may be named, out of "color" and "size".
    """
    rivals = [other for other in scene.objects if other.name == item.name and other.id != item.id]
    if not rivals:
        return f"the {item.name}"
    choices: list[tuple[str, ...]] = [(key,) for key in using]
    if len(using) > 1:
        choices.append(("size", "color"))
    for keys in choices:
        values = [size_of(item) if key == "size" else color_of(item) for key in keys]
        if None in values:
            continue
        if not any(all(value in other.attributes for value in values) for other in rivals):
            return " ".join(["the", *[value for value in values if value], item.name])
    return None


def facts_named(scene: Scene, item: SceneObject, phrase: str) -> frozenset[tuple[str, str]]:
    """What a phrase of ``refer`` tells: a property that sets one of a class apart is told of all of them."""
    words = phrase.split()
    named = [("color", color_of(item)), ("size", size_of(item))]
    return frozenset(
        (aspect, other.id) for aspect, value in named if value in words for other in scene.of_class(item.name)
    )


def enumerate_objects(items: Iterable[SceneObject], *, size: bool = False) -> str:
    """A list such as "two red circles, a blue star and a green digit 7", in the order given."""
    groups: dict[str, list[SceneObject]] = {}
    for item in items:
        groups.setdefault(describe(item, size=size), []).append(item)
    phrases = [_group_phrase(text, members) for text, members in groups.items()]
    return join_words(phrases)


def join_words(phrases: Sequence[str]) -> str:
    """The phrases with commas and a final "and"."""
    if len(phrases) == 1:
        return phrases[0]
    return f"{', '.join(phrases[:-1])} and {phrases[-1]}"


def _group_phrase(text: str, members: Sequence[SceneObject]) -> str:
    if len(members) == 1:
        return a(text)
    first = members[0]
    many = text.replace(first.name, plural(first.name), 1)
    return f"{number_word(len(members))} {many}"


def _third(value: float, side: int, margin: float) -> int | None:
    lines = (side / 3, 2 * side / 3)
    if any(abs(value - line) < margin for line in lines):
        return None
    return sum(value >= line for line in lines)
