"""Which objects, how many, and where among each other: ProVision's seven object generators."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import combinations

from data_builders.draws import Draws
from data_builders.programs.base import Arguments, Program, Solution, Views
from data_builders.programs.referring import named_apart, overlap_share, refer
from data_builders.programs.view import View, can_name, tells_all
from data_builders.programs.words import HERE, SHOWN, countable, join_words, phrasings, plural
from data_builders.scenes import SceneObject

PAPER = "ProVision"
_LISTED = 3
_TRIES = 8
_EDGE_MARGIN = 0.03
"""Share of the side by which the outermost object must be further out than the next."""


def near_numbers(number: int) -> tuple[str, ...]:
    """Wrong answers to a question for a number."""
    return tuple(str(other) for other in range(max(0, number - 3), number + 4) if other != number)


def absent_and_present(view: View, draws: Draws) -> list[str]:
    """Every class that is there and exhaustively annotated, and as many that are not there, shuffled."""
    present = [name for name in view.by_name if name in view.exhaustive]
    absent = sorted(view.exhaustive.difference(view.by_name))
    names = present + draws.few(absent, max(1, len(present)))
    draws.shuffle(names)
    return names


def _propose_number(views: Views, draws: Draws) -> Iterable[Arguments]:
    if not views[0].exhaustive:
        return ()
    return [{"class": name} for name in absent_and_present(views[0], draws) if countable(name)]


def _solve_number(views: Views, arguments: Arguments) -> Solution | None:
    view, name = views[0], arguments["class"]
    if name not in view.exhaustive or not countable(name):
        return None
    found = tuple(item.id for item in view.by_name.get(name, ()))
    return Solution(str(len(found)), found, {"things": plural(name)}, near_numbers(len(found)))


EXISTS_OBJECT = Program(
    name="exists_object",
    makes="how many of a class there are, none included",
    needs="boxes, exhaustive classes",
    paper=PAPER,
    phrasings={
        "ask": phrasings(
            f"{HERE} how many {{things}} are there?",
            f"how many {{things}} (can you see|are visible|do you count) {SHOWN}?",
            f"what is the number of {{things}} {SHOWN}?",
            f"tell me the number of {{things}} {SHOWN}.",
            f"count the {{things}} {SHOWN}.",
        )
    },
    propose=_propose_number,
    solve=_solve_number,
    possible=tells_all,
    fair=True,
)


def _frequency_program(name: str, word: str, pick: Callable[[Iterable[int]], int]) -> Program:
    def propose(views: Views, draws: Draws) -> Iterator[Arguments]:
        view = views[0]
        present = [name for name in view.by_name if name in view.exhaustive]
        if len(present) < 2:
            return
        for found in draws.distinct_samples(present, min(_LISTED, len(present)), _TRIES):
            yield {"classes": found}

    def solve(views: Views, arguments: Arguments) -> Solution | None:
        view, names = views[0], arguments["classes"]
        if not view.exhaustive.issuperset(names) or len(set(names)) < 2:
            return None
        counts = {name: view.count(name) for name in names}
        best = pick(counts.values())
        winners = [name for name in names if counts[name] == best]
        if len(winners) != 1 or not min(counts.values()):
            return None
        evidence = tuple(item.id for name in names for item in view.by_name[name])
        wrong = tuple(name for name in names if name != winners[0])
        return Solution(winners[0], evidence, {"candidates": join_words(names, "or")}, wrong)

    few = "most" if word == "most" else "fewest"
    return Program(
        name=name,
        makes=f"which of some classes is {word} frequent",
        needs="boxes, exhaustive classes",
        paper=PAPER,
        phrasings={
            "ask": phrasings(
                f"{HERE} which is the {word} frequent: {{candidates}}?",
                f"of which (kind of object|object) (are there|do you see) the {few} {SHOWN}: {{candidates}}?",
                f"which appears the {word} often {SHOWN}, {{candidates}}?",
            ),
            "ask/choice": phrasings(
                f"{HERE} which of these (objects|) is the {word} frequent?",
                f"which of these appears the {word} often {SHOWN}?",
            ),
        },
        propose=propose,
        solve=solve,
        possible=tells_all,
    )


MOST_OBJECT = _frequency_program("most_object", "most", max)
LEAST_OBJECT = _frequency_program("least_object", "least", min)


def _outermost_program(name: str, words: tuple[str, str], axis: int, sign: int) -> Program:
    edge, adverb = words

    def propose(views: Views, draws: Draws) -> Iterator[Arguments]:
        yield from three_apart(views[0], draws)

    def solve(views: Views, arguments: Arguments) -> Solution | None:
        view = views[0]
        found = apart_items(view, arguments["objects"])
        if found is None:
            return None
        items, phrases = found
        # Furthest out by its edge and by its centre, so that no reading of the word gives another answer.
        margin = _EDGE_MARGIN * (view.width, view.height)[axis]
        outer = axis if sign < 0 else axis + 2
        order = sorted(items, key=lambda item: sign * item.box_xyxy[outer], reverse=True)
        first, rest = order[0], order[1:]
        for other in rest:
            if sign * (first.box_xyxy[outer] - other.box_xyxy[outer]) < margin:
                return None
            if sign * (first.center[axis] - other.center[axis]) < margin:
                return None
        answer = phrases[items.index(first)]
        wrong = tuple(phrase for phrase in phrases if phrase != answer)
        return Solution(
            answer, tuple(item.id for item in items), {"candidates": join_words(phrases, "or")}, wrong
        )

    return Program(
        name=name,
        makes=f"which of three objects is {edge}",
        needs="boxes",
        paper=PAPER,
        phrasings={
            "ask": phrasings(
                f"{HERE} which (one|object|) is {edge}: {{candidates}}?",
                f"which of these is {adverb} {SHOWN}: {{candidates}}?",
                f"what is {adverb} {SHOWN}, {{candidates}}?",
            ),
            "ask/choice": phrasings(
                f"{HERE} which of these (objects|) is {edge}?", f"which of these is {adverb} {SHOWN}?"
            ),
        },
        propose=propose,
        solve=solve,
        possible=can_name,
    )


def three_apart(view: View, draws: Draws) -> Iterator[Arguments]:
    """Sets of three (or the only two) objects that can be named apart, in the order of naming."""
    named = [item.id for item in named_apart(view)]
    if len(named) < 2:
        return
    for found in draws.distinct_samples(named, min(_LISTED, len(named)), _TRIES):
        yield {"objects": found}


def apart_items(view: View, ids: list[str]) -> tuple[list[SceneObject], list[str]] | None:
    """Objects and their phrases, where each can be named apart and no two overlap; else None."""
    items = [view.by_id[item_id] for item_id in ids]
    for one, two in combinations(items, 2):
        if one is two or overlap_share(one, two) > 0:
            return None
    phrases = [phrase for item in items if (phrase := refer(view, item))]
    return (items, phrases) if len(phrases) == len(items) > 1 else None


LEFT_MOST = _outermost_program("left_most_object", ("furthest to the left", "leftmost"), 0, -1)
RIGHT_MOST = _outermost_program("right_most_object", ("furthest to the right", "rightmost"), 0, 1)
TOP_MOST = _outermost_program("top_most_object", ("highest up", "topmost"), 1, -1)
BOTTOM_MOST = _outermost_program("bottom_most_object", ("lowest down", "bottommost"), 1, 1)

OBJECT_PROGRAMS = (EXISTS_OBJECT, MOST_OBJECT, LEAST_OBJECT, LEFT_MOST, RIGHT_MOST, TOP_MOST, BOTTOM_MOST)
