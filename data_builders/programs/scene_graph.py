"""Questions that combine a few facts of a scene graph: ProVision's three, and the caption of a sub-graph."""

from __future__ import annotations

from collections.abc import Iterator

from data_builders.draws import Draws
from data_builders.programs.attribute_types import type_of
from data_builders.programs.attributes import type_word, wrong_values
from data_builders.programs.base import Arguments, Program, Solution, Views
from data_builders.programs.objects import PAPER
from data_builders.programs.predicates import after_is, contradictions_of
from data_builders.programs.referring import described, named_apart, refer, refer_or_locate, same_box
from data_builders.programs.relations import sayable, some_pairs
from data_builders.programs.view import View, can_name_related, is_related, relation_id
from data_builders.programs.words import HERE, SHOWN, a, capital, join_words, phrasings
from data_builders.scenes import SceneObject

_LISTED = 4
_CAPTIONED = 4


def _apart(view: View, *items: SceneObject) -> bool:
    """Whether each can be meant by its phrase or by its box alone."""
    return all(refer(view, item) or not same_box(view, item) for item in items)


def _propose_object(views: Views, draws: Draws) -> Iterator[Arguments]:
    view = views[0]
    named = named_apart(view)
    if len(named) < 3:
        return
    for one, two in some_pairs(view, draws):
        head = view.by_id.get(one)
        if head is None or not head.attributes or refer(view, head) is None:
            continue
        predicate = draws.choice(view.relations[one, two])
        value = draws.choice(head.attributes)
        if contradictions_of(predicate):
            listed = [item.id for item in draws.few(named, _LISTED) if item.id not in (one, two)]
            listed = [one, *listed[: _LISTED - 2]]
            draws.shuffle(listed)
            yield {"predicate": predicate, "object": two, "value": value, "candidates": listed}


def _solve_object(views: Views, arguments: Arguments) -> Solution | None:
    view, predicate, value = views[0], arguments["predicate"], arguments["value"]
    two, phrase = view.by_id[arguments["object"]], after_is(predicate)
    items = [view.by_id[item_id] for item_id in arguments["candidates"]]
    if phrase is None or two in items or len(items) < 2 or not _apart(view, two) or type_of(value) is None:
        return None
    # The property is asked with, so no candidate may be told by it.
    phrases = [found for item in items if (found := refer(view, item, type_of(value) or ""))]
    if len(phrases) < len(items):
        return None
    fits = [i for i in items if value in i.attributes and view.holds(i.id, predicate, two.id)]
    rest = [i for i in items if view.lacks(i, value) or view.denies(i.id, predicate, two.id)]
    if len(fits) != 1 or len(rest) != len(items) - 1:
        return None
    answer = phrases[items.index(fits[0])]
    evidence = (*(item.id for item in items), two.id, relation_id(fits[0].id, predicate, two.id))
    words = {"value": value, "relation": phrase, "second": refer_or_locate(view, two)}
    words["candidates"] = join_words(phrases, "or")
    return Solution(answer, evidence, words, tuple(other for other in phrases if other != answer))


GRAPH_OBJECT = Program(
    name="scene_graph_object",
    makes="which object has an attribute and stands in a relation",
    needs="attributes and relations of which some exclude others",
    paper=PAPER,
    phrasings={
        "ask": phrasings(
            f"{HERE} which is {{value}} and {{relation}} {{second}}: {{candidates}}?",
            "which is {value} and (is|also) {relation} {second}, {candidates}?",
            f"something {{value}} is {{relation}} {{second}} {SHOWN}. Is it {{candidates}}?",
        ),
        "ask/choice": phrasings(
            f"{HERE} which of these (objects|) is {{value}} and {{relation}} {{second}}?",
            "which of these is {value} and also {relation} {second}?",
        ),
    },
    propose=_propose_object,
    solve=_solve_object,
    possible=can_name_related,
)


def _propose_chain(views: Views, draws: Draws) -> Iterator[Arguments]:
    """Two relations of one object: the first describes it, the second is asked for."""
    view = views[0]
    pairs = list(some_pairs(view, draws))
    of: dict[str, list[str]] = {}
    for one, two in pairs:
        of.setdefault(one, []).append(two)
    for one, ends in of.items():
        if len(ends) > 1:
            yield {"object": one, "by": ends[0], "to": ends[1]}


def _clause(view: View, one: str, two: str) -> str | None:
    """What is annotated between two objects, as it stands after "is"."""
    said = sayable(view, one, two)
    return join_words([after_is(predicate) or "" for predicate in said]) if said else None


def _ids(view: View, one: str, two: str) -> tuple[str, ...]:
    return tuple(relation_id(one, predicate, two) for predicate in sorted(view.relations[one, two]))


def _solve_chain(views: Views, arguments: Arguments) -> Solution | None:
    view = views[0]
    one, by, to = (view.by_id[arguments[key]] for key in ("object", "by", "to"))
    known, asked = _clause(view, one.id, by.id), _clause(view, one.id, to.id)
    if known is None or asked is None or by is to or not _apart(view, one, by, to):
        return None
    phrases = {
        key: refer_or_locate(view, item) for key, item in (("first", one), ("second", by), ("third", to))
    }
    if len(set(phrases.values())) < len(phrases):
        return None
    wrong = []
    for predicate in view.relations[one.id, to.id]:
        for other in sorted(contradictions_of(predicate)):
            if view.denies(one.id, other, to.id):
                wrong.append(f"It is {after_is(other)} {phrases['third']}.")
    evidence = (one.id, by.id, to.id, *_ids(view, one.id, by.id), *_ids(view, one.id, to.id))
    words = {**phrases, "known": known}
    return Solution(f"It is {asked} {phrases['third']}.", evidence, words, tuple(dict.fromkeys(wrong)))


GRAPH_RELATION = Program(
    name="scene_graph_relation",
    makes="how an object that one relation describes stands to another one",
    needs="relations",
    paper=PAPER,
    phrasings={
        "ask": phrasings(
            f"{HERE} {{first}} is {{known}} {{second}}. How (is it related|does it stand) to {{third}}?",
            "(consider|look at|take) {first}, which is {known} {second}. How does it relate to {third}?",
            "what is the relation (between|of) {first}, which is {known} {second}, (and|to) {third}?",
        )
    },
    propose=_propose_chain,
    solve=_solve_chain,
    possible=is_related,
)


def _propose_attribute(views: Views, draws: Draws) -> Iterator[Arguments]:
    view = views[0]
    for one, two in some_pairs(view, draws):
        item = view.by_id.get(one)
        kinds = [kind for value in (item.attributes if item else ()) if (kind := type_of(value))]
        if kinds:
            yield {"object": one, "by": two, "type": draws.choice(kinds)}


def _solve_attribute(views: Views, arguments: Arguments) -> Solution | None:
    view, kind = views[0], arguments["type"]
    one, by = view.by_id[arguments["object"]], view.by_id[arguments["by"]]
    known, values = _clause(view, one.id, by.id), view.values(one, kind)
    if known is None or len(values) != 1 or not _apart(view, by):
        return None
    first, second = refer(view, one, kind), refer_or_locate(view, by)
    if first is None:
        if same_box(view, one):
            return None
        first = refer_or_locate(view, one, kind)
    if first == second:
        return None
    words = {"first": first, "second": second, "known": known, "type": type_word(kind)}
    evidence = (one.id, by.id, *_ids(view, one.id, by.id))
    return Solution(values[0], evidence, words, wrong_values(view, one, kind))


GRAPH_ATTRIBUTE = Program(
    name="scene_graph_attribute",
    makes="the color, size ... of an object that a relation describes",
    needs="attributes, relations",
    paper=PAPER,
    phrasings={
        "ask": phrasings(
            f"{HERE} what is the {{type}} of {{first}}, which is {{known}} {{second}}?",
            f"{{first}} is {{known}} {{second}} {SHOWN}. What is its {{type}}?",
            "(name|tell me|give) the {type} of {first}, which is {known} {second}.",
        )
    },
    propose=_propose_attribute,
    solve=_solve_attribute,
    possible=is_related,
)


def _propose_caption(views: Views, draws: Draws) -> Iterator[Arguments]:
    pairs = [list(pair) for pair in some_pairs(views[0], draws)]
    if pairs:
        yield {"pairs": pairs[:_CAPTIONED]}


def _solve_caption(views: Views, arguments: Arguments) -> Solution | None:
    view = views[0]
    sentences, evidence = [], []
    for one, two in arguments["pairs"]:
        clause = _clause(view, one, two)
        if clause is None:
            return None
        first, second = view.by_id[one], view.by_id[two]
        sentences.append(f"{capital(a(described(first)))} is {clause} {a(described(second))}.")
        evidence += [one, two, *_ids(view, one, two)]
    return Solution(" ".join(dict.fromkeys(sentences)), tuple(dict.fromkeys(evidence))) if sentences else None


GRAPH_CAPTION = Program(
    name="scene_graph_caption",
    makes="a description of some objects and how they are related",
    needs="relations",
    paper=PAPER,
    phrasings={
        "ask": phrasings(
            f"(describe|name|state) some (relations|relationships) between (objects|things) {SHOWN}.",
            f"how are (some of the|some) things {SHOWN} related?",
            "describe (a part|part) of the (scene|picture|image) by how its objects are related.",
        )
    },
    propose=_propose_caption,
    solve=_solve_caption,
    possible=is_related,
)
SCENE_GRAPH_PROGRAMS = (GRAPH_OBJECT, GRAPH_RELATION, GRAPH_ATTRIBUTE, GRAPH_CAPTION)
