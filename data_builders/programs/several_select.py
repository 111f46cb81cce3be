"""Which of several images? ProVision's eight generators that select an image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from data_builders.draws import Draws
from data_builders.programs.base import Arguments, Program, Solution, Views
from data_builders.programs.predicates import after_is, contradictions_of
from data_builders.programs.several import (
    MOST,
    PAPER,
    image_name,
    instances,
    instances_with,
    objects_of_all,
    of_image,
    only,
    shared_attributes,
    shared_classes,
    single,
    single_names,
)
from data_builders.programs.view import can_name_related, relation_id, tells_all
from data_builders.programs.words import a, phrasings, plural
from data_builders.scenes import SceneObject

_PROPOSED = 12

Find = Callable[[Views, Arguments], "list[list[SceneObject]] | None"]


def _chosen(
    place: int | None, views: Views, evidence: tuple[str, ...], words: dict[str, str]
) -> Solution | None:
    if place is None:
        return None
    wrong = tuple(image_name(other) for other in range(len(views)) if other != place)
    return Solution(image_name(place), evidence, words, wrong)


def _class_candidates(views: Views, draws: Draws) -> Iterator[Arguments]:
    names = shared_classes(views)
    draws.shuffle(names)
    for name in names[:_PROPOSED]:
        yield {"class": name}


def _attribute_candidates(views: Views, draws: Draws) -> Iterator[Arguments]:
    pairs = shared_attributes(views)
    draws.shuffle(pairs)
    for name, value in pairs[:_PROPOSED]:
        yield {"class": name, "value": value}


def _find_class(views: Views, arguments: Arguments) -> list[list[SceneObject]] | None:
    return instances(views, arguments["class"])


def _find_attribute(views: Views, arguments: Arguments) -> list[list[SceneObject]] | None:
    return instances_with(views, arguments["class"], arguments["value"])


def _presence_program(
    name: str,
    makes: str,
    has: bool,
    needs: str,
    propose: Callable[[Views, Draws], Iterable[Arguments]],
    find: Find,
) -> Program:
    def solve(views: Views, arguments: Arguments) -> Solution | None:
        found = find(views, arguments)
        if found is None:
            return None
        value = arguments.get("value")
        thing = f"{value} {arguments['class']}" if value else arguments["class"]
        place = only([bool(items) == has for items in found])
        return _chosen(place, views, objects_of_all(found), {"thing": a(thing)})

    shows = "(shows|has|contains)" if has else "(does not show|has not got|does not contain)"
    there = "is there" if has else "is there not"
    return Program(
        name=name,
        makes=makes,
        needs=needs,
        paper=PAPER,
        phrasings={
            "ask": phrasings(
                f"which (image|picture|of these images|one of the images) {shows} {{thing}}?",
                f"in which (image|picture|one of these images) {there} {{thing}}?",
                f"(find|name) the image that {shows} {{thing}}.",
            )
        },
        propose=propose,
        solve=solve,
        possible=tells_all,
        images=(2, MOST),
    )


HAS_OBJECT = _presence_program(
    "has_object", "which image shows a class", True, "exhaustive classes", _class_candidates, _find_class
)
HAS_NOT_OBJECT = _presence_program(
    "has_not_object", "which image lacks a class", False, "exhaustive classes", _class_candidates, _find_class
)
HAS_ATTRIBUTED = _presence_program(
    "has_attributed_object",
    "which image shows a class with an attribute",
    True,
    "exhaustive classes, exhaustive attributes",
    _attribute_candidates,
    _find_attribute,
)
HAS_NOT_ATTRIBUTED = _presence_program(
    "has_not_attributed_object",
    "which image lacks a class with an attribute",
    False,
    "exhaustive classes, exhaustive attributes",
    _attribute_candidates,
    _find_attribute,
)


def _relation_candidates(views: Views, draws: Draws) -> list[Arguments]:
    """Relations between objects that every image has exactly one of."""
    names = set(single_names(views))
    if len(names) < 2:
        return []
    found = set()
    for view in views:
        for (one, two), predicates in view.relations.items():
            first, second = view.by_id.get(one), view.by_id.get(two)
            if first and second and first.name in names and second.name in names:
                found |= {(first.name, p, second.name) for p in predicates if contradictions_of(p)}
    ordered = sorted(found)
    draws.shuffle(ordered)
    return [{"subject": s, "predicate": p, "object": o} for s, p, o in ordered[:_PROPOSED]]


def _relation_program(name: str, has: bool) -> Program:
    def solve(views: Views, arguments: Arguments) -> Solution | None:
        predicate = arguments["predicate"]
        phrase = after_is(predicate)
        states: list[bool] = []
        evidence: list[str] = []
        for place, view in enumerate(views):
            one, two = single(view, arguments["subject"]), single(view, arguments["object"])
            if one is None or two is None or one is two:
                return None
            holds = view.holds(one.id, predicate, two.id)
            proof = (
                (relation_id(one.id, predicate, two.id),) if holds else view.denial(one.id, predicate, two.id)
            )
            if not holds and not view.denies(one.id, predicate, two.id):
                return None
            states.append(holds == has)
            evidence += of_image(place, (one.id, two.id, *proof))
        if phrase is None:
            return None
        words = {"first": f"the {arguments['subject']}", "second": f"the {arguments['object']}"}
        return _chosen(only(states), views, tuple(evidence), words | {"relation": phrase})

    is_ = "is" if has else "is not"
    return Program(
        name=name,
        makes=f"in which image one object {is_} in a relation to another",
        needs="relations that exclude each other",
        paper=PAPER,
        phrasings={
            "ask": phrasings(
                f"in which (image|picture|of these images) {'is' if has else 'is it not true that'} {{first}}"
                f" {'' if has else 'is'} {{relation}} {{second}}?",
                f"(find|name) the image in which {{first}} {is_} {{relation}} {{second}}.",
                f"which (image|picture) is it in which {{first}} {is_} {{relation}} {{second}}?",
            )
        },
        propose=_relation_candidates,
        solve=solve,
        possible=can_name_related,
        images=(2, MOST),
    )


HAS_RELATION = _relation_program("has_relation", has=True)
HAS_NOT_RELATION = _relation_program("has_not_relation", has=False)


def _number_program(name: str, most: bool) -> Program:
    word = "most" if most else "fewest"

    def solve(views: Views, arguments: Arguments) -> Solution | None:
        found = instances(views, arguments["class"])
        if found is None:
            return None
        counts = [len(items) for items in found]
        best = max(counts) if most else min(counts)
        place = only([count == best for count in counts])
        return _chosen(place, views, objects_of_all(found), {"things": plural(arguments["class"])})

    return Program(
        name=name,
        makes=f"which image has the {word} of a class",
        needs="exhaustive classes",
        paper=PAPER,
        phrasings={
            "ask": phrasings(
                f"which (image|picture|of these images) (has|shows|contains) the {word} {{things}}?",
                f"in which (image|picture|of the images) are there the {word} {{things}}?",
                f"(find|name) the (image|picture) with the {word} {{things}}.",
            )
        },
        propose=_class_candidates,
        solve=solve,
        possible=tells_all,
        images=(2, MOST),
    )


HAS_MOST_OBJECT = _number_program("has_most_object", most=True)
HAS_LEAST_OBJECT = _number_program("has_least_object", most=False)
SELECT_PROGRAMS = (
    HAS_OBJECT,
    HAS_NOT_OBJECT,
    HAS_ATTRIBUTED,
    HAS_NOT_ATTRIBUTED,
    HAS_RELATION,
    HAS_NOT_RELATION,
    HAS_MOST_OBJECT,
    HAS_LEAST_OBJECT,
)
