"""How objects stand to each other: ProVision's three relation generators."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from data_builders.draws import Draws
from data_builders.programs.base import Arguments, Program, Solution, Views
from data_builders.programs.objects import PAPER
from data_builders.programs.predicates import after_is, contradictions_of
from data_builders.programs.referring import box_text, refer, refer_or_locate, same_box
from data_builders.programs.view import View, can_name_related, is_related, relation_id
from data_builders.programs.words import HERE, SHOWN, capital, join_words, phrasings

_LISTED = 3
_PAIRS = 24


def some_pairs(view: View, draws: Draws) -> Iterator[tuple[str, str]]:
    """Related pairs in random order, at most two dozen of them."""
    yield from islice(draws.in_random_order(tuple(view.relations)), _PAIRS)


def sayable(view: View, one: str, two: str) -> tuple[str, ...] | None:
    """All that is annotated between two objects; None if some of it cannot be said or is in dispute."""
    pair = one, two
    if pair not in view.said:
        view.said[pair] = _sayable(view, one, two)
    return view.said[pair]


def _sayable(view: View, one: str, two: str) -> tuple[str, ...] | None:
    found = view.relations.get((one, two))
    if not found or one == two or one not in view.by_id or two not in view.by_id:
        return None
    for predicate in found:
        if after_is(predicate) is None or not view.holds(one, predicate, two):
            return None
    return tuple(sorted(found))


def _pairs(views: Views, draws: Draws) -> Iterator[Arguments]:
    for one, two in some_pairs(views[0], draws):
        yield {"subject": one, "object": two}


def _solve_with(view: View, one: str, two: str, first: str, second: str) -> Solution | None:
    predicates = sayable(view, one, two)
    if predicates is None:
        return None

    def sentence(said: tuple[str, ...]) -> str:
        return f"{capital(first)} is {join_words([after_is(p) or p for p in said])} {second}."

    wrong = []
    for place, predicate in enumerate(predicates):
        for other in sorted(contradictions_of(predicate)):
            if view.denies(one, other, two):
                wrong.append(sentence((*predicates[:place], other, *predicates[place + 1 :])))
    evidence = (one, two, *(relation_id(one, predicate, two) for predicate in predicates))
    words = {"first": first, "second": second}
    return Solution(sentence(predicates), evidence, words, tuple(dict.fromkeys(wrong)))


def _solve_named(views: Views, arguments: Arguments) -> Solution | None:
    view, one, two = views[0], arguments["subject"], arguments["object"]
    first, second = refer(view, view.by_id[one]), refer(view, view.by_id[two])
    return _solve_with(view, one, two, first, second) if first and second else None


def _solve_boxes(views: Views, arguments: Arguments) -> Solution | None:
    view = views[0]
    one, two = view.by_id[arguments["subject"]], view.by_id[arguments["object"]]
    first, second = (f"the object at {box_text(view, item)}" for item in (one, two))
    if same_box(view, one) or same_box(view, two):
        return None
    return _solve_with(view, one.id, two.id, first, second)


_HOW = phrasings(
    f"{HERE} how are {{first}} and {{second}} related?",
    f"what is the relation (between|of) {{first}} and {{second}} {SHOWN}?",
    "(describe|tell me|state) the relation between {first} and {second}.",
    f"{HERE} how does {{first}} (relate|stand) to {{second}}?",
)

EXISTS_RELATION = Program(
    name="exists_relation",
    makes="how two objects are related",
    needs="relations",
    paper=PAPER,
    phrasings={"ask": _HOW},
    propose=_pairs,
    solve=_solve_named,
    possible=can_name_related,
)
RELATION_BOX = Program(
    name="relation_box",
    makes="how the objects in two boxes are related",
    needs="boxes, relations",
    paper=PAPER,
    phrasings={"ask": _HOW},
    propose=_pairs,
    solve=_solve_boxes,
    possible=is_related,
)


def _propose_head(views: Views, draws: Draws) -> Iterator[Arguments]:
    """A relation with its object, its subject, and others of which the relation is known not to hold."""
    view = views[0]
    for one, two in some_pairs(view, draws):
        predicate = draws.choice(view.relations[one, two])
        if not contradictions_of(predicate):
            continue
        others = [
            other
            for other in view.neighbors[two]
            if other in view.by_id and other not in (one, two) and view.denies(other, predicate, two)
        ]
        if others:
            listed = [one, *draws.few(others, _LISTED - 1)]
            draws.shuffle(listed)
            yield {"predicate": predicate, "object": two, "candidates": listed}


def _solve_head(views: Views, arguments: Arguments) -> Solution | None:
    view, predicate = views[0], arguments["predicate"]
    phrase, two = after_is(predicate), view.by_id[arguments["object"]]
    items = [view.by_id[item_id] for item_id in arguments["candidates"]]
    named = [refer(view, item) for item in items]
    second = refer_or_locate(view, two)
    if phrase is None or None in named or len(items) < 2 or two in items:
        return None
    heads = [item for item in items if view.holds(item.id, predicate, two.id)]
    others = [item for item in items if view.denies(item.id, predicate, two.id)]
    if len(heads) != 1 or len(others) != len(items) - 1:
        return None
    phrases = [phrase for phrase in named if phrase]
    answer = phrases[items.index(heads[0])]
    denials = [found for item in others for found in view.denial(item.id, predicate, two.id)]
    evidence = (*(item.id for item in items), two.id, relation_id(heads[0].id, predicate, two.id), *denials)
    words = {"relation": phrase, "second": second, "candidates": join_words(phrases, "or")}
    return Solution(answer, evidence, words, tuple(other for other in phrases if other != answer))


HEAD_RELATION = Program(
    name="head_relation",
    makes="which of some objects stands in a relation",
    needs="relations of which some exclude others",
    paper=PAPER,
    phrasings={
        "ask": phrasings(
            f"{HERE} which (one|object|) is {{relation}} {{second}}: {{candidates}}?",
            f"what is {{relation}} {{second}} {SHOWN}, {{candidates}}?",
            "which is {relation} {second}, {candidates}?",
        ),
        "ask/choice": phrasings(
            f"{HERE} which of these (objects|) is {{relation}} {{second}}?",
            f"which of these is {{relation}} {{second}} {SHOWN}?",
        ),
    },
    propose=_propose_head,
    solve=_solve_head,
    possible=can_name_related,
)
RELATION_PROGRAMS = (EXISTS_RELATION, RELATION_BOX, HEAD_RELATION)
