"""Which points lie on one object: ProVision's two generators from segmentation."""

from __future__ import annotations

from collections.abc import Iterator

from data_builders.draws import Draws
from data_builders.programs.base import Arguments, Program, Solution, Views
from data_builders.programs.objects import PAPER
from data_builders.programs.points import draw_point, owner, point_words
from data_builders.programs.view import has_masks
from data_builders.programs.words import HERE, join_words, phrasings

_TRIES = 6
_CANDIDATES = 3


def _point_program(name: str, makes: str, same: bool) -> Program:
    def propose(views: Views, draws: Draws) -> Iterator[Arguments]:
        view = views[0]
        items = [item for item in view.objects if item.mask is not None]
        if len(items) < 2:
            return
        for _ in range(_TRIES):
            anchor, *others = draws.few(items, _CANDIDATES)
            # One candidate is to be told from the others: the one on the anchor's object, or off it.
            wanted = [anchor, *others] if same else [others[0], *[anchor] * (_CANDIDATES - 1)]
            points = [draw_point(view, item, draws) for item in (anchor, *wanted)]
            found = [point for point in points if point is not None]
            if len(found) < len(points):
                continue
            candidates = found[1:]
            draws.shuffle(candidates)
            yield {"anchor": found[0], "candidates": candidates}

    def solve(views: Views, arguments: Arguments) -> Solution | None:
        view = views[0]
        anchor: list[float] = arguments["anchor"]
        candidates: list[list[float]] = arguments["candidates"]
        thing = owner(view, anchor)
        owners = [owner(view, point) for point in candidates]
        if thing is None or None in owners or len(candidates) < 2:
            return None
        texts = [point_words(view, point) for point in candidates]
        right = [
            text
            for text, item in zip(texts, owners, strict=True)
            if item is not None and (item.id == thing.id) == same
        ]
        if len(right) != 1 or len({point_words(view, anchor), *texts}) <= len(texts):
            return None
        evidence = tuple(dict.fromkeys((thing.id, *(item.id for item in owners if item is not None))))
        words = {"anchor": point_words(view, anchor), "candidates": join_words(texts, "or")}
        return Solution(right[0], evidence, words, tuple(text for text in texts if text != right[0]))

    as_ = "as" if same else "from"
    return Program(
        name=name,
        makes=makes,
        needs="masks",
        paper=PAPER,
        phrasings={
            "ask": phrasings(
                f"{HERE} which point (is|lies) {_on(same)} {as_} {{anchor}}: {{candidates}}?",
                f"which of the points {{candidates}} (is|lies) {_on(same)} {as_} the point {{anchor}}?",
                f"which of these points (is|lies) {_on(same)} {as_} {{anchor}}: {{candidates}}?",
            ),
            "ask/choice": phrasings(
                f"{HERE} which of these points (is|lies) {_on(same)} {as_} {{anchor}}?",
                f"a point lies at {{anchor}}. Which of these is {_on(same)}?",
            ),
        },
        propose=propose,
        solve=solve,
        possible=has_masks,
    )


def _on(same: bool) -> str:
    return "on the same object" if same else "on a different object"


SAME_OBJECT_SEG = _point_program("same_object_seg", "which point lies on the same object", same=True)
DIFFERENT_OBJECT_SEG = _point_program(
    "different_object_seg", "which point lies on another object", same=False
)
SEGMENTATION_PROGRAMS = (SAME_OBJECT_SEG, DIFFERENT_OBJECT_SEG)
