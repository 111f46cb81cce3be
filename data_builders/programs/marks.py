"""Questions about what is marked: numbered or colored boxes, drawn into a copy of the image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from data_builders.draws import Draws
from data_builders.programs.attribute_types import type_of
from data_builders.programs.attributes import type_word, wrong_values
from data_builders.programs.base import Arguments, Program, Solution, Views, form_of
from data_builders.programs.marking import COLORS
from data_builders.programs.predicates import after_is, contradictions_of
from data_builders.programs.referring import overlap_share, refer
from data_builders.programs.relations import sayable
from data_builders.programs.view import View, relation_id
from data_builders.programs.words import HERE, join_words, phrasings
from data_builders.scenes import SceneObject

PAPER = "Inst-IT, Localized Symbolic Knowledge Distillation"
_MOST_MARKS = 4
_LEAST_SIDE = 0.06
_MOST_OVERLAP = 0.3
_FORMS = ("what", "which", "attribute")

Marks = Sequence[Sequence[str]]
"""[label, object id] of each mark; the label is a number or a color."""


def _draw_marks(view: View, draws: Draws, labels: Sequence[str]) -> list[list[str]]:
    """Objects that are large enough and apart enough for their marks to be told apart."""
    chosen: list[SceneObject] = []
    for item in draws.in_random_order(view.objects):
        if len(chosen) == _MOST_MARKS:
            break
        if _large_enough(view, item) and all(overlap_share(item, one) < _MOST_OVERLAP for one in chosen):
            chosen.append(item)
    return [[label, item.id] for label, item in zip(labels, chosen, strict=False)]


def _large_enough(view: View, item: SceneObject) -> bool:
    x0, y0, x1, y1 = item.box_xyxy
    return (x1 - x0) >= _LEAST_SIDE * view.width and (y1 - y0) >= _LEAST_SIDE * view.height


def _program(name: str, makes: str, labels: Sequence[str], calls: str) -> Program:
    known = frozenset(labels)

    def propose(views: Views, draws: Draws) -> Iterator[Arguments]:
        view = views[0]
        marks = _draw_marks(view, draws, labels)
        if len(marks) < 2:
            return
        found: list[Arguments] = [{"form": form, "label": label} for label, _ in marks for form in _FORMS]
        for label, one in marks:
            for other, two in marks:
                if (one, two) in view.relations:
                    found.append({"form": "relation", "label": label, "other": other})
        for arguments in draws.in_random_order(found):
            yield {**arguments, "marks": marks}

    def solve(views: Views, arguments: Arguments) -> Solution | None:
        view = views[0]
        form = form_of(arguments)
        marked = {label: view.by_id[item_id] for label, item_id in arguments["marks"]}
        item = marked[arguments["label"]]
        if len(marked) < 2 or not known.issuperset(marked) or not _large_enough(view, item):
            return None
        if form == "relation":
            return _solve_relation(view, marked, arguments, calls)
        words = {"thing": calls.format(label=arguments["label"])}
        if form == "what":
            others = dict.fromkeys(other.name for other in marked.values())
            sure = item.name in view.exhaustive
            wrong = [name for name in others if sure and name != item.name and name in view.exhaustive]
            return Solution(item.name, (item.id,), words, tuple(wrong))
        if form == "which":
            phrase = refer(view, item)
            wrong = [label for label in marked if label != arguments["label"]]
            return (
                Solution(arguments["label"], (item.id,), {"thing": phrase}, tuple(wrong)) if phrase else None
            )
        kinds = sorted({kind for value in item.attributes if (kind := type_of(value))})
        for kind in kinds:
            values = view.values(item, kind)
            # A colored box would be taken for the color that is asked for.
            if len(values) == 1 and not (kind == "color" and labels is _BOXES):
                words["type"] = type_word(kind)
                return Solution(values[0], (item.id,), words, wrong_values(view, item, kind))
        return None

    return Program(
        name=name,
        makes=makes,
        needs="boxes, the images",
        paper=PAPER,
        phrasings={
            "what": phrasings(
                f"{HERE} what is {{thing}}?",
                "(name|identify|tell me the kind of) {thing}.",
                "what kind of thing is {thing}?",
            ),
            "which": phrasings(
                f"{HERE} which (box|mark) (shows|holds) {{thing}}?",
                "by which (box|mark) is {thing} (marked|shown)?",
            ),
            "attribute": phrasings(
                f"{HERE} what {{type}} does {{thing}} have?", "(tell me|name|give) the {type} of {thing}."
            ),
            "relation": phrasings(
                f"{HERE} how is {{thing}} related to {{second}}?",
                "(describe|state) the relation (between|of) {thing} and {second}.",
                "how does {thing} stand to {second}?",
            ),
        },
        propose=propose,
        solve=solve,
        marks=lambda arguments: arguments["marks"],
    )


def _solve_relation(
    view: View, marked: dict[str, SceneObject], arguments: Arguments, calls: str
) -> Solution | None:
    one, two = marked[arguments["label"]], marked[arguments["other"]]
    said = sayable(view, one.id, two.id)
    if said is None:
        return None
    first, second = (calls.format(label=arguments[key]) for key in ("label", "other"))

    def sentence(predicates: Sequence[str]) -> str:
        return f"It is {join_words([after_is(predicate) or '' for predicate in predicates])} {second}."

    wrong = [
        sentence((*said[:place], other, *said[place + 1 :]))
        for place, predicate in enumerate(said)
        for other in sorted(contradictions_of(predicate))
        if view.denies(one.id, other, two.id)
    ]
    evidence = (one.id, two.id, *(relation_id(one.id, predicate, two.id) for predicate in said))
    return Solution(sentence(said), evidence, {"thing": first, "second": second}, tuple(dict.fromkeys(wrong)))


_NUMBERS = tuple(str(number) for number in range(1, _MOST_MARKS + 1))
_BOXES = tuple(COLORS)
MARKED_OBJECTS = _program(
    "marked_objects", "questions about objects with numbered boxes", _NUMBERS, "the object in box {label}"
)
BOXED_OBJECTS = _program(
    "boxed_objects", "questions about objects in boxes of a color", _BOXES, "the object in the {label} box"
)
MARK_PROGRAMS = (MARKED_OBJECTS, BOXED_OBJECTS)
