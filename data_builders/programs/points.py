"""Points of an image and the one object that each surely lies on, by the objects' masks."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from data_builders.draws import Draws
from data_builders.programs.view import View
from data_builders.scenes import Mask, SceneObject

_TRIES = 12
_MARGIN = 0.012
"""Share of the longer side that a point must keep from the border of its mask."""

Point = Sequence[float]
"""x and y as ratios of width and height, rounded as they are printed: what is judged is what is read."""


def draw_point(view: View, item: SceneObject, draws: Draws) -> list[float] | None:
    """A printed point that surely lies on the object alone; None if a dozen tries find none."""
    x0, y0, x1, y1 = item.box_xyxy
    for _ in range(_TRIES):
        point = [
            round((x0 + draws.uniform() * (x1 - x0)) / view.width, view.digits),
            round((y0 + draws.uniform() * (y1 - y0)) / view.height, view.digits),
        ]
        if owner(view, point) is item:
            return point
    return None


def owner(view: View, point: Point) -> SceneObject | None:
    """The only object whose mask surely holds a point; None where there is none, or more than one may."""
    x, y = point[0] * view.width, point[1] * view.height
    margin = max(1.0, _MARGIN * max(view.width, view.height))
    found = None
    for item in view.objects:
        x0, y0, x1, y1 = item.box_xyxy
        if not (x0 - margin <= x < x1 + margin and y0 - margin <= y < y1 + margin):
            continue
        if item.mask is None:
            return None  # nobody knows whether it is this one
        around = [
            _inside(view, item.id, item.mask, x + dx, y + dy)
            for dx, dy in ((0.0, 0.0), (margin, 0.0), (-margin, 0.0), (0.0, margin), (0.0, -margin))
        ]
        if all(around) and found is None:
            found = item
        elif any(around):
            return None
    return found


def point_words(view: View, point: Point) -> str:
    """The point as it is written."""
    return f"({point[0]:.{view.digits}f}, {point[1]:.{view.digits}f})"


def _inside(view: View, item_id: str, mask: Mask, x: float, y: float) -> bool:
    column, row = int(x * mask.width / view.width), int(y * mask.height / view.height)
    if not (0 <= column < mask.width and 0 <= row < mask.height):
        return False
    if mask.counts:
        edges = view.masks.get(item_id)
        if not isinstance(edges, list):
            edges = view.masks[item_id] = list(accumulate(mask.counts))
        # The first run is background, so that those with an odd number are the object.
        return bisect_right(edges, column * mask.height + row) % 2 == 1
    return any(_in_polygon(outline, column + 0.5, row + 0.5) for outline in mask.polygons)


def _in_polygon(outline: Sequence[float], x: float, y: float) -> bool:
    """Whether a point is inside, by how often a ray to the right crosses the border."""
    inside = False
    xs, ys = outline[::2], outline[1::2]
    previous = len(xs) - 1
    for corner in range(len(xs)):
        if (ys[corner] > y) != (ys[previous] > y):
            slope = (xs[previous] - xs[corner]) * (y - ys[corner]) / (ys[previous] - ys[corner])
            if x < slope + xs[corner]:
                inside = not inside
        previous = corner
    return inside
