"""What is not so: absent objects, wrong attributes, wrong relations, and questions that presume too much.

The truth is asked as often as the untruth. That a thing is absent is only said of classes that are annotated
exhaustively; that an attribute or a relation is wrong, only where one that excludes it is annotated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from data_builders.draws import Draws
from data_builders.programs.attribute_types import in_order, opposites_of, type_of
from data_builders.programs.attributes import type_word, wrong_values
from data_builders.programs.base import Arguments, Program, Solution, Views, form_of
from data_builders.programs.objects import absent_and_present
from data_builders.programs.predicates import after_is, contradictions_of
from data_builders.programs.referring import located, refer, refer_or_locate, same_box
from data_builders.programs.relations import some_pairs
from data_builders.programs.view import is_related, relation_id, tells_all
from data_builders.programs.words import HERE, SHOWN, a, join_words, phrasings

PAPER = "Robin3D's RIG, POPE"
_YES, _NO = "Yes", "No"
_CORRECT = "If not, say what is right."


def _classes(views: Views, draws: Draws) -> Iterable[Arguments]:
    if not views[0].exhaustive:
        return ()
    return [{"class": name} for name in absent_and_present(views[0], draws)]


def _solve_object(views: Views, arguments: Arguments) -> Solution | None:
    view, name = views[0], arguments["class"]
    if name not in view.exhaustive:
        return None
    found = tuple(item.id for item in view.by_name.get(name, ()))
    return Solution(_YES if found else _NO, found, {"thing": a(name)}, (_NO if found else _YES,))


NEGATIVE_OBJECT = Program(
    name="negative_object",
    makes="whether a thing is there, which it is half of the time",
    needs="exhaustive classes",
    paper=PAPER,
    phrasings={
        "ask": phrasings(
            f"{HERE} is there {{thing}}?",
            f"(can|do) you see {{thing}} {SHOWN}?",
            "does the (image|picture) (show|contain) {thing}?",
        )
    },
    propose=_classes,
    solve=_solve_object,
    possible=tells_all,
    fair=True,
)


def _values(views: Views, draws: Draws) -> list[Arguments]:
    """For each object a true value, or one that is wrong of it and that something else here may have."""
    view = views[0]
    found: list[Arguments] = []
    for item in view.objects:
        for value in item.attributes:
            kind = type_of(value)
            if kind is None:
                continue
            said: str | None = value
            # As many untruths as truths, as far as anything is known to be wrong.
            if (kind in view.exhaustive_attributes or opposites_of(value)) and draws.below(2):
                wrong = wrong_values(view, item, kind)
                said = wrong[draws.below(min(3, len(wrong)))] if wrong else None
            if said:
                form = "correct" if draws.below(2) else "ask"
                found.append({"object": item.id, "value": said, "form": form})
    draws.shuffle(found)
    return found


def _solve_attribute(views: Views, arguments: Arguments) -> Solution | None:
    view, item, value = views[0], views[0].by_id[arguments["object"]], arguments["value"]
    kind = type_of(value)
    truth = view.values(item, kind) if kind else ()
    if not truth or not (value in truth or view.lacks(item, value)):
        return None
    thing = refer(view, item, kind or "")
    if thing is None:
        if same_box(view, item):
            return None
        thing = located(view, item)
    words = {"thing": thing, "value": value}
    right = value in truth
    if form_of(arguments) == "ask":
        return Solution(_YES if right else _NO, (item.id,), words, (_NO if right else _YES,))
    said = join_words(in_order(truth))
    answer = _YES if right else _NO
    return Solution(f"{answer}, it is {said}.", (item.id,), words, side=answer)


NEGATIVE_ATTRIBUTE = Program(
    name="negative_attribute",
    makes="whether a thing is red, large ..., and what it is instead",
    needs="exhaustive attributes, or opposites",
    paper=PAPER,
    phrasings={
        "ask": phrasings(
            f"{HERE} is {{thing}} {{value}}?",
            "is it (true|right|correct) that {thing} is {value}?",
            "(would you say|do you agree) that {thing} is {value}?",
        ),
        "correct": phrasings(
            f"{HERE} is {{thing}} {{value}}? {_CORRECT}",
            f"is it (true|right) that {{thing}} is {{value}}? {_CORRECT}",
            "{thing} is {value}, isn't it?",
        ),
    },
    propose=_values,
    solve=_solve_attribute,
    fair=True,
)


def _relations(views: Views, draws: Draws) -> Iterator[Arguments]:
    view = views[0]
    for one, two in some_pairs(view, draws):
        predicate = draws.choice(view.relations[one, two])
        for said in (predicate, *sorted(contradictions_of(predicate))[:1]):
            if contradictions_of(said):
                form = draws.choice(("ask", "correct"))
                yield {"subject": one, "predicate": said, "object": two, "form": form}


def _solve_relation(views: Views, arguments: Arguments) -> Solution | None:
    view, predicate = views[0], arguments["predicate"]
    one, two = view.by_id[arguments["subject"]], view.by_id[arguments["object"]]
    phrase = after_is(predicate)
    if phrase is None or one is two or not contradictions_of(predicate):
        return None
    for item in (one, two):
        if refer(view, item) is None and same_box(view, item):
            return None
    holds, denied = (test(one.id, predicate, two.id) for test in (view.holds, view.denies))
    if not holds and not denied:
        return None
    proof = (relation_id(one.id, predicate, two.id),) if holds else view.denial(one.id, predicate, two.id)
    words = {"first": refer_or_locate(view, one), "second": refer_or_locate(view, two), "relation": phrase}
    evidence = (one.id, two.id, *proof)
    if form_of(arguments) == "ask":
        return Solution(_YES if holds else _NO, evidence, words, (_NO if holds else _YES,))
    if holds:
        return Solution(f"Yes, it is {phrase} {words['second']}.", evidence, words, side=_YES)
    truth = [
        other
        for other in view.relations.get((one.id, two.id), ())
        if other in contradictions_of(predicate) and view.holds(one.id, other, two.id)
    ]
    right = after_is(min(truth)) if truth else None
    answer = f"No, it is {right} {words['second']}."
    return Solution(answer, evidence, words, side=_NO) if right else None


NEGATIVE_RELATION = Program(
    name="negative_relation",
    makes="whether a relation holds, and what holds instead",
    needs="relations that exclude each other",
    paper=PAPER,
    phrasings={
        "ask": phrasings(
            f"{HERE} is {{first}} {{relation}} {{second}}?",
            "is it (true|right|correct) that {first} is {relation} {second}?",
            "(would you say|do you agree) that {first} is {relation} {second}?",
        ),
        "correct": phrasings(
            f"{HERE} is {{first}} {{relation}} {{second}}? {_CORRECT}",
            f"is it (true|right) that {{first}} is {{relation}} {{second}}? {_CORRECT}",
            "{first} is {relation} {second}, isn't it?",
        ),
    },
    propose=_relations,
    solve=_solve_relation,
    possible=is_related,
    fair=True,
)


def _premises(views: Views, draws: Draws) -> list[Arguments]:
    """Of what color, size ... a thing is, whether it is there or not."""
    view = views[0]
    # Types that things here do have: of any other, the question alone would tell that the thing is absent.
    found = {type_of(v) for item in view.objects if item.name in view.exhaustive for v in item.attributes}
    kinds = sorted(kind for kind in found if kind)
    if not kinds:
        return []
    return [{"class": name, "type": draws.choice(kinds)} for name in absent_and_present(view, draws)]


def _solve_premise(views: Views, arguments: Arguments) -> Solution | None:
    view, name, kind = views[0], arguments["class"], arguments["type"]
    if name not in view.exhaustive:
        return None
    found = view.by_name.get(name, ())
    words = {"thing": f"the {name}", "type": type_word(kind)}
    if not found:
        return Solution(f"There is no {name} in the image.", (), words, side="absent")
    values = view.values(found[0], kind)
    if len(found) > 1 or len(values) != 1:
        return None
    return Solution(f"It is {values[0]}.", (found[0].id,), words, side="present")


FALSE_PREMISE = Program(
    name="false_premise",
    makes="what color, size ... a thing has, which may not be there at all",
    needs="exhaustive classes, attributes",
    paper=PAPER,
    phrasings={
        "ask": phrasings(
            f"{HERE} what {{type}} does {{thing}} have?",
            f"what is the {{type}} of {{thing}} {SHOWN}?",
            "(tell me|name) the {type} of {thing}.",
        )
    },
    propose=_premises,
    solve=_solve_premise,
    possible=tells_all,
    fair=True,
)
NEGATIVE_PROGRAMS = (NEGATIVE_OBJECT, NEGATIVE_ATTRIBUTE, NEGATIVE_RELATION, FALSE_PREMISE)
