"""What programs about several images share: names of images, evidence, and what all of them annotate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from data_builders.programs.attribute_types import type_of
from data_builders.programs.attributes import with_value
from data_builders.programs.base import Views
from data_builders.programs.view import View
from data_builders.scenes import SceneObject

PAPER = "ProVision"
MOST = 4


def image_name(place: int) -> str:
    """How the image at this place is called in a question."""
    return f"image {place + 1}"


def of_image(place: int, ids: Iterable[str]) -> tuple[str, ...]:
    """Evidence from the image at this place."""
    return tuple(f"{place}:{item_id}" for item_id in ids)


def objects_of_all(found: Sequence[Sequence[SceneObject]]) -> tuple[str, ...]:
    """Evidence: the objects of each image in turn."""
    return tuple(
        item for place, items in enumerate(found) for item in of_image(place, (one.id for one in items))
    )


def shared_classes(views: Views) -> list[str]:
    """Classes that are exhaustively annotated in all images and there in at least one, in a fixed order."""
    common = frozenset.intersection(*(view.exhaustive for view in views))
    return sorted({name for view in views for name in view.by_name if name in common})


def shared_attributes(views: Views) -> list[tuple[str, str]]:
    """(class, attribute) that objects here have, of classes and types that all images annotate in full."""
    common = frozenset.intersection(*(view.exhaustive for view in views))
    kinds = frozenset.intersection(*(view.exhaustive_attributes for view in views))
    if not common or not kinds:
        return []
    found = {
        (item.name, value)
        for view in views
        for item in view.objects
        if item.name in common
        for value in item.attributes
        if type_of(value) in kinds
    }
    return sorted(found)


def instances(views: Views, name: str) -> list[list[SceneObject]] | None:
    """The objects of a class in each image; None if some image does not annotate all of them."""
    if not all(name in view.exhaustive for view in views):
        return None
    return [list(view.by_name.get(name, ())) for view in views]


def instances_with(views: Views, name: str, value: str) -> list[list[SceneObject]] | None:
    """The objects of a class with an attribute in each image; None if some image does not tell."""
    if not all(name in view.exhaustive for view in views):
        return None
    found = [with_value(view, name, value) for view in views]
    sure = [items for items in found if items is not None]
    return sure if len(sure) == len(views) else None


def only(flags: Sequence[bool]) -> int | None:
    """The place of the only true one."""
    return flags.index(True) if flags.count(True) == 1 else None


def single(view: View, name: str) -> SceneObject | None:
    """The only object of a class that cannot have a second one."""
    found = view.by_name.get(name, ())
    return found[0] if len(found) == 1 and view.apart(name) else None


def single_names(views: Views) -> list[str]:
    """Classes of which every image has exactly one, in a fixed order."""
    return sorted(frozenset.intersection(*map(_singles, views)))


def _singles(view: View) -> frozenset[str]:
    if view.singles is None:
        names = (name for name, found in view.by_name.items() if len(found) == 1)
        view.singles = frozenset(name for name in names if view.apart(name))
    return view.singles
