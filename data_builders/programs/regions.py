"""What people said about parts of an image: RefCOCO's expressions and region descriptions, both ways."""

from __future__ import annotations

from collections.abc import Iterator

from data_builders.draws import Draws
from data_builders.programs.base import Arguments, Program, Solution, Views
from data_builders.programs.referring import ratios_text
from data_builders.programs.view import View
from data_builders.programs.words import phrasings
from data_builders.scenes import Region

_MOST_WRONG = 6


def _has_regions(view: View) -> bool:
    return bool(view.scene.regions)


def _usable(view: View, region: Region) -> bool:
    """Whether a phrase may be learned from: those of a benchmark's other splits are for its tests."""
    splits = view.scene.source.get("splits")
    split = splits.get(region.id, "train") if isinstance(splits, dict) else "train"
    return split == "train" and bool(region.phrase.strip())


def _expression(view: View, region: Region) -> bool:
    """Whether the phrase was written to mean one object alone, and no other of the image has the same one."""
    splits = view.scene.source.get("splits")
    if not isinstance(splits, dict) or region.id not in splits:
        return False
    said = region.phrase.strip().lower()
    same = [other for other in view.scene.regions if other.phrase.strip().lower() == said]
    return all(other.objects == region.objects for other in same)


def _regions(views: Views, draws: Draws) -> Iterator[Arguments]:
    for region in draws.in_random_order(views[0].scene.regions):
        if _usable(views[0], region):
            yield {"region": region.id}


def _find(view: View, region_id: str) -> Region:
    return next(region for region in view.scene.regions if region.id == region_id)


def _solve_box(views: Views, arguments: Arguments) -> Solution | None:
    view, region = views[0], _find(views[0], arguments["region"])
    if not _usable(view, region) or not _expression(view, region):
        return None
    box = ratios_text(view, region.box_xyxy)
    others = dict.fromkeys(ratios_text(view, item.box_xyxy) for item in view.objects)
    wrong = tuple(other for other in others if other != box and not _near(other, box))[:_MOST_WRONG]
    return Solution(box, (region.id, *region.objects), {"phrase": region.phrase.strip()}, wrong)


def _near(one: str, two: str) -> bool:
    """Whether two written boxes overlap so much that either might be counted as right."""
    a, b = (tuple(float(value) for value in text[1:-1].split(",")) for text in (one, two))
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or high <= 0:
        return False
    least = min((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return wide * high > 0.3 * least


EXPRESSION_BOX = Program(
    name="expression_box",
    makes="the box of what somebody's expression means",
    needs="referring expressions",
    paper="RefCOCO",
    phrasings={
        "ask": phrasings(
            '(give|provide|state) the (bounding box|box) of this: "{phrase}".',
            '(find|locate) "{phrase}" and give its (bounding box|box).',
            'which box (is|fits) "{phrase}"?',
        )
    },
    propose=_regions,
    solve=_solve_box,
    possible=_has_regions,
)


def _solve_phrase(views: Views, arguments: Arguments) -> Solution | None:
    view, region = views[0], _find(views[0], arguments["region"])
    if not _usable(view, region):
        return None
    box = ratios_text(view, region.box_xyxy)
    return Solution(region.phrase.strip(), (region.id, *region.objects), {"box": box})


REGION_PHRASE = Program(
    name="region_phrase",
    makes="what somebody said of the region in a box",
    needs="region descriptions or referring expressions",
    paper="RefCOCO, Visual Genome",
    phrasings={
        "ask": phrasings(
            "(describe|say what is in) the (region|part of the image|area) {box}, in a few words.",
            "(write|give) a short (description|phrase) for the region {box}.",
            "what (is|can you see) in the region {box}?",
        )
    },
    propose=_regions,
    solve=_solve_phrase,
    possible=_has_regions,
)
REGION_PROGRAMS = (EXPRESSION_BOX, REGION_PHRASE)
