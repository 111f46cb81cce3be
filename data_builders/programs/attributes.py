"""What objects are like: ProVision's three attribute generators."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from data_builders.draws import Draws
from data_builders.programs.attribute_types import TYPES, in_order, opposites_of, type_of
from data_builders.programs.base import Arguments, Program, Solution, Views
from data_builders.programs.objects import PAPER, near_numbers
from data_builders.programs.referring import box_text, same_box
from data_builders.programs.view import View, tells_all_attributes
from data_builders.programs.words import HERE, SHOWN, countable, join_words, phrasings, plural
from data_builders.scenes import SceneObject

_TYPE_WORDS = {"age": "age", "openness": "state", "power": "state", "fullness": "state", "wetness": "state"}
_TYPE_WORDS |= {"cleanness": "state", "brightness": "brightness", "pose": "pose"}
_MOST_WRONG = 8


def type_word(kind: str) -> str:
    """How a type of attribute is called in a question."""
    return _TYPE_WORDS.get(kind, kind)


def with_value(view: View, name: str, value: str) -> list[SceneObject] | None:
    """The objects of a class that have an attribute; None where the annotation does not say it of all."""
    found = []
    for item in view.by_name.get(name, ()):
        if value in item.attributes:
            found.append(item)
        elif not view.lacks(item, value):
            return None
    return found


def wrong_values(view: View, item: SceneObject, kind: str) -> tuple[str, ...]:
    """Values of a type that the object certainly does not have, those first that others here have."""
    if kind in view.exhaustive_attributes:
        seen = [value for other in view.objects for value in other.attributes if type_of(value) == kind]
        values: Iterable[str] = dict.fromkeys((*seen, *TYPES.get(kind, ())))
    else:
        values = dict.fromkeys(
            other
            for value in item.attributes
            if type_of(value) == kind
            for other in sorted(opposites_of(value))
        )
    return tuple(islice((value for value in values if view.lacks(item, value)), _MOST_WRONG))


def _propose_number(views: Views, draws: Draws) -> list[Arguments]:
    view = views[0]
    if not view.exhaustive or not view.exhaustive_attributes:
        return []
    kinds = view.exhaustive_attributes
    values = sorted({v for item in view.objects for v in item.attributes if type_of(v) in kinds})
    names = [name for name in view.by_name if name in view.exhaustive and countable(name)]
    found: list[Arguments] = [{"class": name, "value": value} for name in names for value in values]
    draws.shuffle(found)
    return found


def _solve_number(views: Views, arguments: Arguments) -> Solution | None:
    view, name, value = views[0], arguments["class"], arguments["value"]
    if name not in view.exhaustive or not countable(name) or not view.count(name):
        return None
    found = with_value(view, name, value)
    if found is None:
        return None
    # That some lack it is part of the answer, so all of the class are evidence.
    evidence = tuple(item.id for item in view.by_name[name])
    words = {"things": f"{value} {plural(name)}"}
    return Solution(str(len(found)), evidence, words, near_numbers(len(found)))


EXISTS_ATTRIBUTE = Program(
    name="exists_attribute",
    makes="how many of a class have an attribute",
    needs="exhaustive classes, exhaustive attributes",
    paper=PAPER,
    phrasings={
        "ask": phrasings(
            f"{HERE} how many {{things}} are there?",
            f"how many {{things}} (can you see|are visible|do you count) {SHOWN}?",
            f"what is the number of {{things}} {SHOWN}?",
            f"tell me the number of {{things}} {SHOWN}.",
        )
    },
    propose=_propose_number,
    solve=_solve_number,
    possible=tells_all_attributes,
    fair=True,
)


def _with_attributes(views: Views, draws: Draws) -> Iterator[Arguments]:
    for item in draws.in_random_order([item for item in views[0].objects if item.attributes]):
        yield {"object": item.id}


def _solve_box(views: Views, arguments: Arguments) -> Solution | None:
    view, item = views[0], views[0].by_id[arguments["object"]]
    if not item.attributes or same_box(view, item):
        return None
    values = in_order(item.attributes)
    wrong = []
    for place, value in enumerate(values):
        kind = type_of(value)
        others = opposites_of(value) if kind not in view.exhaustive_attributes else TYPES[kind or ""]
        for other in sorted(others):
            if view.lacks(item, other):
                wrong.append(join_words((*values[:place], other, *values[place + 1 :])))
    words = {"name": item.name, "box": box_text(view, item)}
    step = len(wrong) // _MOST_WRONG + 1
    return Solution(join_words(values), (item.id,), words, tuple(dict.fromkeys(wrong[::step])))


ATTRIBUTE_BOX = Program(
    name="attribute_box",
    makes="the attributes of the object in a box",
    needs="boxes, attributes",
    paper=PAPER,
    phrasings={
        "ask": phrasings(
            f"{HERE} what are the attributes of the {{name}} (at|in|located at) {{box}}?",
            "describe the {name} (at|in) {box}.",
            "what is the {name} in the (region|area|box) {box} like?",
            "which (attributes|properties|qualities) does the {name} at {box} have?",
        )
    },
    propose=_with_attributes,
    solve=_solve_box,
)


def _typed(views: Views, draws: Draws) -> Iterator[Arguments]:
    for item in draws.in_random_order([item for item in views[0].objects if item.attributes]):
        kinds = list(dict.fromkeys(kind for value in item.attributes if (kind := type_of(value))))
        if kinds:
            yield {"object": item.id, "type": draws.choice(kinds)}


def _solve_typed(views: Views, arguments: Arguments) -> Solution | None:
    view, item, kind = views[0], views[0].by_id[arguments["object"]], arguments["type"]
    values = view.values(item, kind)
    if len(values) != 1 or same_box(view, item):
        return None
    words = {"name": item.name, "box": box_text(view, item), "type": type_word(kind)}
    return Solution(values[0], (item.id,), words, wrong_values(view, item, kind))


TYPED_ATTRIBUTE_BOX = Program(
    name="typed_attribute_box",
    makes="the color, size, material ... of the object in a box",
    needs="boxes, attributes",
    paper=PAPER,
    phrasings={
        "ask": phrasings(
            f"{HERE} what is the {{type}} of the {{name}} (at|in|located at) {{box}}?",
            "what {type} does the {name} (at|in) {box} have?",
            "(name|tell me|give) the {type} of the {name} in the (region|area|box) {box}.",
            "(look|take a look) at the {name} at {box}. What is its {type}?",
        )
    },
    propose=_typed,
    solve=_solve_typed,
)
ATTRIBUTE_PROGRAMS = (EXISTS_ATTRIBUTE, ATTRIBUTE_BOX, TYPED_ATTRIBUTE_BOX)
