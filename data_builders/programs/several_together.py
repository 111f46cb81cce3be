"""What several images have together and what differs: ProVision's four aggregates and two comparisons."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from data_builders.draws import Draws
from data_builders.programs.attribute_types import in_order
from data_builders.programs.attributes import type_word
from data_builders.programs.base import Arguments, Program, Solution, Views
from data_builders.programs.objects import near_numbers
from data_builders.programs.predicates import after_is, contradictions_of
from data_builders.programs.several import (
    MOST,
    PAPER,
    image_name,
    instances,
    instances_with,
    objects_of_all,
    of_image,
    shared_attributes,
    shared_classes,
    single,
    single_names,
)
from data_builders.programs.view import can_name_related, relation_id, tells_all, tells_all_attributes
from data_builders.programs.words import capital, countable, join_words, phrasings, plural

_LISTED = 4
_TRIES = 6
_PROPOSED = 12
_ALL = "(all of these images|every one of these images|each of the images|all the pictures)"
_IN_ALL = "(in all of these images together|in these images together|in the pictures in all)"


def _propose_common(views: Views, draws: Draws) -> Iterator[Arguments]:
    names = shared_classes(views)
    if len(names) < 2:
        return
    for found in draws.distinct_samples(names, min(_LISTED, len(names)), _TRIES):
        yield {"classes": found}


def _solve_common(views: Views, arguments: Arguments) -> Solution | None:
    names = arguments["classes"]
    found = [instances(views, name) for name in names]
    sure = [items for items in found if items is not None]
    if len(sure) < len(found) or len(set(names)) < len(names):
        return None
    common = [name for name, items in zip(names, sure, strict=True) if all(items)]
    if not common or len(common) == len(names):
        return None
    evidence = tuple(dict.fromkeys(item for items in sure for item in objects_of_all(items)))
    # Each class may be left out or wrongly added, one at a time.
    wrong = [join_words([name for name in names if (name in common) != (name == other)]) for other in names]
    words = {"candidates": join_words(names, "and")}
    return Solution(join_words(common), evidence, words, tuple(text for text in dict.fromkeys(wrong) if text))


COMMON_OBJECT = Program(
    name="common_object",
    makes="which of some classes are in every image",
    needs="exhaustive classes",
    paper=PAPER,
    phrasings={
        "ask": phrasings(
            f"of {{candidates}}, which (are|can be seen) in {_ALL}?",
            f"which of these (objects|things|) are in {_ALL}: {{candidates}}?",
            "(what do the images have in common|what is common to the images), out of {candidates}?",
        )
    },
    propose=_propose_common,
    solve=_solve_common,
    possible=tells_all,
    images=(2, MOST),
)


def _kinds(views: Views, name: str) -> list[str]:
    """Types of attribute of which every image's only object of a class has exactly one value."""
    kinds = frozenset.intersection(*(view.exhaustive_attributes for view in views))
    items = [(view, single(view, name)) for view in views]
    return sorted(
        kind for kind in kinds if all(item and len(view.values(item, kind)) == 1 for view, item in items)
    )


def _single_candidates(views: Views, draws: Draws) -> Iterable[Arguments]:
    names = single_names(views)
    draws.shuffle(names)
    return [{"class": name} for name in names[:_PROPOSED]]


def _solve_common_attribute(views: Views, arguments: Arguments) -> Solution | None:
    name = arguments["class"]
    items = [item for view in views if (item := single(view, name)) is not None]
    kinds = _kinds(views, name) if len(items) == len(views) else []
    if not kinds:
        return None
    values = [[view.values(item, kind)[0] for kind in kinds] for view, item in zip(views, items, strict=True)]
    shared = [row[0] for row in zip(*values, strict=True) if len(set(row)) == 1]
    if not shared:
        return None
    other = [value for row in values for value in row if value not in shared]
    wrong = tuple(dict.fromkeys(other))
    words = {"thing": name, "types": join_words([type_word(kind) for kind in kinds], "or")}
    return Solution(join_words(in_order(tuple(shared))), objects_of_all([[i] for i in items]), words, wrong)


COMMON_ATTRIBUTE = Program(
    name="common_attribute",
    makes="which color, size ... an object has in every image",
    needs="exhaustive classes, exhaustive attributes",
    paper=PAPER,
    phrasings={
        "ask": phrasings(
            f"in {_ALL} there is one {{thing}}. Which {{types}} (is|stays) the same?",
            "which {types} does the {thing} have in (all|every one) of these images?",
            "what do the {thing} of each image have in common, by {types}?",
        )
    },
    propose=_single_candidates,
    solve=_solve_common_attribute,
    possible=tells_all_attributes,
    images=(2, MOST),
)


def _propose_number(views: Views, draws: Draws) -> Iterable[Arguments]:
    names = [name for name in shared_classes(views) if countable(name)]
    draws.shuffle(names)
    return [{"class": name} for name in names[:_PROPOSED]]


def _propose_attribute_number(views: Views, draws: Draws) -> Iterable[Arguments]:
    pairs = [pair for pair in shared_attributes(views) if countable(pair[0])]
    draws.shuffle(pairs)
    return [{"class": name, "value": value} for name, value in pairs[:_PROPOSED]]


def _solve_number(views: Views, arguments: Arguments) -> Solution | None:
    name, value = arguments["class"], arguments.get("value")
    found = instances_with(views, name, value) if value else instances(views, name)
    if found is None or not countable(name):
        return None
    total = sum(map(len, found))
    things = f"{value} {plural(name)}" if value else plural(name)
    return Solution(str(total), objects_of_all(found), {"things": things}, near_numbers(total))


_HOW_MANY = phrasings(
    f"how many {{things}} (are there|can you see|do you count) {_IN_ALL}?",
    f"what is the number of {{things}} {_IN_ALL}?",
    f"tell me the number of {{things}} {_IN_ALL}.",
    f"count the {{things}} {_IN_ALL}.",
)
COUNT_OBJECT = Program(
    name="count_object",
    makes="how many of a class there are in all images together",
    needs="exhaustive classes",
    paper=PAPER,
    phrasings={"ask": _HOW_MANY},
    propose=_propose_number,
    solve=_solve_number,
    possible=tells_all,
    images=(2, MOST),
    fair=True,
)
COUNT_ATTRIBUTE_OBJECT = Program(
    name="count_attribute_object",
    makes="how many of a class with an attribute there are in all images together",
    needs="exhaustive classes, exhaustive attributes",
    paper=PAPER,
    phrasings={"ask": _HOW_MANY},
    propose=_propose_attribute_number,
    solve=_solve_number,
    possible=tells_all,
    images=(2, MOST),
    fair=True,
)


def _propose_relation(views: Views, draws: Draws) -> Iterable[Arguments]:
    names = single_names(views)
    pairs = [(one, two) for one in names for two in names if one != two]
    draws.shuffle(pairs)
    return [{"subject": one, "object": two} for one, two in pairs[:_PROPOSED]]


def _solve_relation(views: Views, arguments: Arguments) -> Solution | None:
    """One relation of each image, such that what holds in one is denied in the other."""
    name, other = arguments["subject"], arguments["object"]
    found = [(view, single(view, name), single(view, other)) for view in views]
    pairs = [(view, one, two) for view, one, two in found if one is not None and two is not None]
    if len(pairs) != 2 or name == other:
        return None
    (first, one, two), (second, uno, due) = pairs
    for predicate in sorted(first.relations.get((one.id, two.id), ())):
        opposed = sorted(
            contradictions_of(predicate).intersection(second.relations.get((uno.id, due.id), ()))
        )
        if not opposed or after_is(predicate) is None or not first.holds(one.id, predicate, two.id):
            continue
        contrary = opposed[0]
        if after_is(contrary) is None or not second.holds(uno.id, contrary, due.id):
            continue
        evidence = (
            *of_image(0, (one.id, two.id, relation_id(one.id, predicate, two.id))),
            *of_image(1, (uno.id, due.id, relation_id(uno.id, contrary, due.id))),
        )
        words = {"first": f"the {name}", "second": f"the {other}"}
        thing = capital(words["first"])

        def said(here: str, there: str, thing: str = thing) -> str:
            return (
                f"{thing} is {after_is(here)} the {other} in {image_name(0)}"
                f" and {after_is(there)} it in {image_name(1)}."
            )

        return Solution(said(predicate, contrary), evidence, words, (said(contrary, predicate),))
    return None


COMPARE_RELATION = Program(
    name="compare_relation",
    makes="how a relation differs between two images",
    needs="relations that exclude each other",
    paper=PAPER,
    phrasings={
        "ask": phrasings(
            "how does the relation (between|of) {first} and {second} (differ|change) between the"
            " (images|pictures)?",
            "what is the difference in how {first} stands to {second} in the two (images|pictures)?",
            "compare (how {first} and {second} are related|where {first} is to {second}) in the images.",
        )
    },
    propose=_propose_relation,
    solve=_solve_relation,
    possible=can_name_related,
    images=(2, 2),
)


def _solve_compare(views: Views, arguments: Arguments) -> Solution | None:
    name = arguments["class"]
    items = [item for view in views if (item := single(view, name)) is not None]
    if len(items) != 2 or len(views) != 2:
        return None
    kinds = _kinds(views, name)
    values = [[view.values(item, kind)[0] for kind in kinds] for view, item in zip(views, items, strict=True)]
    differing = [(one, two) for one, two in zip(*values, strict=True) if one != two]
    if not differing:
        return None

    def said(pairs: list[tuple[str, str]]) -> str:
        ones, twos = (join_words(in_order(side)) for side in zip(*pairs, strict=True))
        return f"The {name} is {ones} in {image_name(0)} and {twos} in {image_name(1)}."

    swapped = said([(two, one) for one, two in differing])
    words = {"thing": f"the {name}", "types": join_words([type_word(kind) for kind in kinds], "or")}
    return Solution(said(differing), objects_of_all([[item] for item in items]), words, (swapped,))


COMPARE_ATTRIBUTE = Program(
    name="compare_attribute",
    makes="how an object differs between two images",
    needs="exhaustive classes, exhaustive attributes",
    paper=PAPER,
    phrasings={
        "ask": phrasings(
            "how does {thing} differ between the (images|pictures), by {types}?",
            "what is the difference in {types} between {thing} of one (image|picture) and that of the other?",
            "compare {thing} of the two (images|pictures) by {types}.",
        )
    },
    propose=_single_candidates,
    solve=_solve_compare,
    possible=tells_all_attributes,
    images=(2, 2),
)
TOGETHER_PROGRAMS = (
    COMMON_OBJECT,
    COMMON_ATTRIBUTE,
    COUNT_OBJECT,
    COUNT_ATTRIBUTE_OBJECT,
    COMPARE_RELATION,
    COMPARE_ATTRIBUTE,
)
