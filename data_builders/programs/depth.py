"""What is nearer to the viewer: ProVision's two generators for points and four for objects.

``SceneObject.depth`` counts from the furthest, so that the larger number is the closer one. A released
builder had this the wrong way round and printed other points than it judged; here a point is judged by the
digits that are printed.
"""

from __future__ import annotations

from collections.abc import Iterator

from data_builders.draws import Draws
from data_builders.programs.base import Arguments, Program, Solution, Views
from data_builders.programs.objects import PAPER, apart_items, three_apart
from data_builders.programs.points import draw_point, owner, point_words
from data_builders.programs.referring import refer
from data_builders.programs.view import has_depth, has_masks
from data_builders.programs.words import HERE, SHOWN, join_words, phrasings

_TRIES = 6
_CANDIDATES = 3


def _pick(depths: list[int], closer: bool) -> int | None:
    """The place of the only nearest (or furthest) one."""
    best = max(depths) if closer else min(depths)
    return depths.index(best) if depths.count(best) == 1 else None


def _point_program(name: str, closer: bool) -> Program:
    word, most = ("closer", "closest") if closer else ("farther", "farthest")

    def propose(views: Views, draws: Draws) -> Iterator[Arguments]:
        view = views[0]
        items = [item for item in view.objects if item.mask is not None and item.depth is not None]
        if len(items) < 2:
            return
        for _ in range(_TRIES):
            points = [draw_point(view, item, draws) for item in draws.few(items, _CANDIDATES)]
            if None not in points:
                yield {"points": points}

    def solve(views: Views, arguments: Arguments) -> Solution | None:
        view, points = views[0], arguments["points"]
        owners = [item for point in points if (item := owner(view, point)) is not None]
        depths = [item.depth for item in owners if item.depth is not None]
        texts = [point_words(view, point) for point in points]
        if len(depths) < len(points) or len(set(texts)) < len(texts) or len(texts) < 2:
            return None
        place = _pick(depths, closer)
        if place is None:
            return None
        evidence = tuple(item.id for item in owners)
        wrong = tuple(text for text in texts if text != texts[place])
        return Solution(texts[place], evidence, {"candidates": join_words(texts, "or")}, wrong)

    return Program(
        name=name,
        makes=f"which of some points is {most} in depth",
        needs="masks, depth order",
        paper=PAPER,
        phrasings=_nearness(word, most, "point"),
        propose=propose,
        solve=solve,
        possible=has_masks,
    )


def _object_program(name: str, closer: bool) -> Program:
    word, most = ("closer", "closest") if closer else ("farther", "farthest")

    def propose(views: Views, draws: Draws) -> Iterator[Arguments]:
        yield from three_apart(views[0], draws)

    def solve(views: Views, arguments: Arguments) -> Solution | None:
        found = apart_items(views[0], arguments["objects"])
        if found is None:
            return None
        items, phrases = found
        depths = [item.depth for item in items if item.depth is not None]
        place = _pick(depths, closer) if len(depths) == len(items) else None
        if place is None:
            return None
        wrong = tuple(phrase for phrase in phrases if phrase != phrases[place])
        words = {"candidates": join_words(phrases, "or")}
        return Solution(phrases[place], tuple(item.id for item in items), words, wrong)

    return Program(
        name=name,
        makes=f"which of some objects is {most} in depth",
        needs="boxes, depth order",
        paper=PAPER,
        phrasings=_nearness(word, most, "object"),
        propose=propose,
        solve=solve,
        possible=has_depth,
    )


def _nearness(word: str, most: str, kind: str) -> dict[str, tuple[str, ...]]:
    away = "to the (camera|viewer)" if word == "closer" else "from the (camera|viewer)"
    return {
        "ask": phrasings(
            f"{HERE} which (one|{kind}|) is {most} {away}: {{candidates}}?",
            f"which (one|{kind}|) is {most} {away} {SHOWN}, {{candidates}}?",
            f"which {kind} is {most} in depth: {{candidates}}?",
        ),
        "ask/choice": phrasings(
            f"{HERE} which of these ({kind}s|) is {most} {away}?",
            f"which of these ({kind}s|) is {most} in depth {SHOWN}?",
        ),
    }


def _anchor_program(name: str, closer: bool) -> Program:
    word = "closer" if closer else "farther"

    def propose(views: Views, draws: Draws) -> Iterator[Arguments]:
        named = [item.id for item in views[0].objects if item.depth is not None and refer(views[0], item)]
        if len(named) < 3:
            return
        for _ in range(_TRIES):
            anchor, *others = draws.few(named, 3)
            yield {"anchor": anchor, "objects": others}

    def solve(views: Views, arguments: Arguments) -> Solution | None:
        view = views[0]
        found = apart_items(view, [arguments["anchor"], *arguments["objects"]])
        if found is None:
            return None
        (anchor, *items), (thing, *phrases) = found
        depths = [item.depth for item in items if item.depth is not None]
        if anchor.depth is None or len(depths) < len(items) or len(items) < 2:
            return None
        # Depth is an order without distances, which tells nothing of things on both sides of the anchor.
        steps = [depth - anchor.depth for depth in depths]
        if not (min(steps) > 0 or max(steps) < 0):
            return None
        place = _pick([-abs(step) for step in steps], closer)
        if place is None:
            return None
        words = {"anchor": thing, "candidates": join_words(phrases, "or")}
        wrong = tuple(phrase for phrase in phrases if phrase != phrases[place])
        return Solution(phrases[place], (anchor.id, *(item.id for item in items)), words, wrong)

    away = "to" if closer else "from"
    return Program(
        name=name,
        makes=f"which object is {word} {away} another one in depth",
        needs="boxes, depth order",
        paper=PAPER,
        phrasings={
            "ask": phrasings(
                f"{HERE} which (one|object|) is {word} {away} {{anchor}} in depth: {{candidates}}?",
                f"in depth, which (object|) is {word} {away} {{anchor}}, {{candidates}}?",
                f"measured in depth, which is {word} {away} {{anchor}} {SHOWN}: {{candidates}}?",
            ),
            "ask/choice": phrasings(
                f"{HERE} which of these (objects|) is {word} {away} {{anchor}} in depth?",
                f"in depth, which of these is {word} {away} {{anchor}}?",
            ),
        },
        propose=propose,
        solve=solve,
        possible=has_depth,
    )


CLOSER_POINT = _point_program("closer_point", closer=True)
FARTHER_POINT = _point_program("farther_point", closer=False)
CLOSER_OBJECT = _object_program("closer_object", closer=True)
FARTHER_OBJECT = _object_program("farther_object", closer=False)
CLOSER_TO_ANCHOR = _anchor_program("closer_to_anchor_object", closer=True)
FARTHER_TO_ANCHOR = _anchor_program("farther_to_anchor_object", closer=False)
DEPTH_PROGRAMS = (
    CLOSER_POINT,
    FARTHER_POINT,
    CLOSER_OBJECT,
    FARTHER_OBJECT,
    CLOSER_TO_ANCHOR,
    FARTHER_TO_ANCHOR,
)
