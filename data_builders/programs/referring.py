"""How an object is named so that no other can be meant, and how places are written."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from data_builders.programs.attribute_types import in_order, type_of
from data_builders.programs.view import View
from data_builders.scenes import SceneObject


def refer(view: View, item: SceneObject, without: str = "") -> str | None:
    """The shortest definite phrase that fits this object alone; None where there is none.

    A second object of the class must be known to lack what the phrase names; that it is not annotated
    with it is not enough.

    Args:
        view: the scene.
        item: the object meant.
        without: a type of attribute that must not be named, because it is asked for.
    """
    key = (item.id, without)
    if key not in view.phrases:
        view.phrases[key] = _refer(view, item, without)
    return view.phrases[key]


def _refer(view: View, item: SceneObject, without: str) -> str | None:
    if not view.apart(item.name):
        return None
    group = view.by_name[item.name]
    if len(group) == 1:
        return f"the {item.name}"
    rivals = [other for other in group if other is not item]
    usable = [value for value in in_order(item.attributes) if type_of(value) not in (None, without)]
    for count in (1, 2):
        for values in combinations(usable, count):
            if all(any(view.lacks(rival, value) for value in values) for rival in rivals):
                return " ".join(("the", *values, item.name))
    return None


def named_apart(view: View) -> list[SceneObject]:
    """The objects that a phrase can single out."""
    if view.named is None:
        view.named = [item for item in view.objects if refer(view, item)]
    return view.named


def located(view: View, item: SceneObject) -> str:
    """The object by its class and its box, which is always unambiguous."""
    return f"the {item.name} at {box_text(view, item)}"


def refer_or_locate(view: View, item: SceneObject, without: str = "") -> str:
    """The object by a phrase that fits it alone, else by its class and box."""
    return refer(view, item, without) or located(view, item)


def described(item: SceneObject) -> str:
    """The object with its attributes and no article, as "large red star"."""
    return " ".join((*in_order(item.attributes), item.name))


def box_text(view: View, item: SceneObject) -> str:
    """The object's box, ``[left, top, right, bottom]`` as ratios of the image's width and height."""
    found = view.box_texts.get(item.id)
    return found if found is not None else _write_boxes(view)[item.id]


def _write_boxes(view: View) -> dict[str, str]:
    """Write the boxes of all objects, once for all questions."""
    for item in view.objects:
        written = view.box_texts[item.id] = ratios_text(view, item.box_xyxy)
        view.boxes[written] = view.boxes.get(written, 0) + 1
    return view.box_texts


def ratios_text(view: View, box_xyxy: Sequence[float]) -> str:
    """A box of the original image in pixels, as it is written."""
    x0, y0, x1, y1 = box_xyxy
    wide, high = view.width, view.height
    spec = f"%.{view.digits}f"
    values = (_ratio(x0, wide), _ratio(y0, high), _ratio(x1, wide), _ratio(y1, high))
    return f"[{spec}, {spec}, {spec}, {spec}]" % values


def point_text(view: View, x: float, y: float) -> str:
    """A point, ``(x, y)`` as ratios of the image's width and height."""
    return f"({_ratio(x, view.width):.{view.digits}f}, {_ratio(y, view.height):.{view.digits}f})"


def _ratio(value: float, side: int) -> float:
    if 0 <= value <= side:
        return value / side
    return 0.0 if value < 0 else 1.0


def same_box(view: View, item: SceneObject) -> bool:
    """Whether another object of the scene has the same box as it is written, so that it could be meant."""
    return view.boxes[box_text(view, item)] > 1


def overlap_share(one: SceneObject, two: SceneObject) -> float:
    """The share of the smaller box that both boxes cover."""
    a, b = one.box_xyxy, two.box_xyxy
    if a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]:
        return 0.0
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    least = min(one.area, two.area)
    return wide * high / least if least > 0 else 0.0
