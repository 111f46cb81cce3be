"""From a phrase to its box and from a box to its phrase, as in RefCOCO, and from the easy to the hard."""

from __future__ import annotations

from collections.abc import Iterator

from data_builders.draws import Draws
from data_builders.programs.base import Arguments, Program, Solution, Views
from data_builders.programs.referring import box_text, described, overlap_share, point_text, refer, same_box
from data_builders.programs.view import View, can_name
from data_builders.programs.words import HERE, SHOWN, a, capital, phrasings
from data_builders.scenes import SceneObject

_MOST_WRONG = 6
_MOST_OVERLAP = 0.3
_LEAST_SIDE = 0.02
"""Share of the image's side below which a box is too thin to be asked for."""


def _large_enough(view: View, item: SceneObject) -> bool:
    x0, y0, x1, y1 = item.box_xyxy
    return (x1 - x0) >= _LEAST_SIDE * view.width and (y1 - y0) >= _LEAST_SIDE * view.height


def _named(views: Views, draws: Draws) -> Iterator[Arguments]:
    view = views[0]
    for item in draws.in_random_order(view.objects):
        if refer(view, item) and _large_enough(view, item):
            yield {"object": item.id}


def _apart_from(view: View, item: SceneObject) -> list[SceneObject]:
    """Some objects whose boxes are so far from this one's that none would be counted as the same."""
    found = []
    for other in view.objects:
        if other is not item and overlap_share(item, other) < _MOST_OVERLAP:
            found.append(other)
            if len(found) == _MOST_WRONG:
                break
    return found


def _solve_box(views: Views, arguments: Arguments) -> Solution | None:
    view, item = views[0], views[0].by_id[arguments["object"]]
    phrase = refer(view, item)
    if phrase is None or not _large_enough(view, item):
        return None
    wrong = dict.fromkeys(box_text(view, other) for other in _apart_from(view, item))
    wrong.pop(box_text(view, item), None)
    return Solution(box_text(view, item), (item.id,), {"thing": phrase}, tuple(wrong))


GROUNDING_BOX = Program(
    name="grounding_box",
    makes="the box of the object that a phrase means",
    needs="boxes",
    paper="RefCOCO",
    phrasings={
        "ask": phrasings(
            "(give|provide|state|write down) the (bounding box|box|region) (of|around|for) {thing}.",
            f"where is {{thing}} {SHOWN}? (Answer with a box.|Give its bounding box.)",
            "(locate|find) {thing} and give its (bounding box|box).",
            "what are the (box|bounding box) coordinates of {thing}?",
        )
    },
    propose=_named,
    solve=_solve_box,
    possible=can_name,
)


def _solve_phrase(views: Views, arguments: Arguments) -> Solution | None:
    view, item = views[0], views[0].by_id[arguments["object"]]
    phrase = refer(view, item)
    if phrase is None or same_box(view, item) or not _large_enough(view, item):
        return None
    found = (refer(view, other) for other in _apart_from(view, item) if other.name != item.name)
    wrong = tuple(dict.fromkeys(other for other in found if other and other != phrase))
    return Solution(phrase, (item.id,), {"box": box_text(view, item)}, wrong)


GROUNDING_PHRASE = Program(
    name="grounding_phrase",
    makes="a phrase that means the object in a box and no other",
    needs="boxes",
    paper="RefCOCO",
    phrasings={
        "ask": phrasings(
            "(give|write) a (short expression|description) that fits the object (at|in) {box} alone.",
            f"{HERE} how would you refer to the (object|thing) in the (region|box) {{box}}?",
            "which object is (meant|shown) by the box {box}? (Name it so that no other can be meant.|)",
        )
    },
    propose=_named,
    solve=_solve_phrase,
    possible=can_name,
)


def _curriculum(views: Views, draws: Draws) -> Iterator[Arguments]:
    for arguments in _named(views, draws):
        for form in ("name", "point", "box"):
            yield {"object": arguments["object"], "form": form}
        return


def _solve_curriculum(views: Views, arguments: Arguments) -> Solution | None:
    view, item, form = views[0], views[0].by_id[arguments["object"]], arguments["form"]
    phrase = refer(view, item)
    if phrase is None or not _large_enough(view, item):
        return None
    words = {"thing": phrase}
    if form == "name":
        # Asked whether it is there, the answer would always be yes.
        return Solution(f"{capital(a(described(item)))}.", (item.id,), words)
    answer = point_text(view, *item.center) if form == "point" else box_text(view, item)
    return Solution(answer, (item.id,), words)


LABEL_CURRICULUM = Program(
    name="label_curriculum",
    makes="one object's name, then its middle, then its box, in three turns",
    needs="boxes",
    paper="Cube-LLM",
    phrasings={
        "name": phrasings(
            f"describe {{thing}} {SHOWN} (in a few words|briefly).",
            f"what is {{thing}} {SHOWN} like? (A few words will do.|Answer briefly.)",
        ),
        "point": phrasings(
            "(give|provide|state) the (middle|center) of {thing} as a point.",
            "(point to|point at) {thing}. Answer with two coordinates.",
        ),
        "box": phrasings(
            "(give|provide|state) the (bounding box|box) of {thing}.",
            "now the (bounding box|box) of {thing}, please.",
        ),
    },
    propose=_curriculum,
    solve=_solve_curriculum,
    possible=can_name,
    together=True,
)
GROUNDING_PROGRAMS = (GROUNDING_BOX, GROUNDING_PHRASE, LABEL_CURRICULUM)
