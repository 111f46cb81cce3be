"""Objects out of COCO's annotations, and what the ones that were left out make doubtful."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from data_builders.readers.fields import RowError, box_of, id_of, row_name, rows_of
from data_builders.readers.outlines import mask_of
from data_builders.readers.places import key_of
from data_builders.scenes import SceneObject


@dataclass(frozen=True, slots=True)
class Category:
    """A class: its name, and whether it is of things, which can be counted, or of stuff such as sky."""

    name: str
    is_thing: bool


@dataclass(slots=True)
class Found:
    """What the annotations of one image gave so far.

    Args:
        size: (width, height) of the image in pixels; (0, 0) where it is not known.
        doubtful: classes that are not annotated in full here: crowds, and objects that were left out.
        unknown_lost: whether an object of unknown class was left out.
    """

    size: tuple[int, int]
    objects: dict[str, SceneObject] = field(default_factory=dict)
    captions: list[str] = field(default_factory=list)
    crowds: list[dict[str, Any]] = field(default_factory=list)
    doubtful: set[str] = field(default_factory=set)
    unknown_lost: bool = False


def add_instance(
    row: Mapping[str, Any],
    categories: Mapping[int, Category],
    found: Found,
    problem: Callable[[str], None],
) -> None:
    """Add the object of an instance annotation, or of a segment of a panoptic one, which has the same keys.

    A crowd is no object: it stands for an unknown number of them, so it is kept aside.
    """
    try:
        category = _category(row, categories)
    except RowError as error:
        found.unknown_lost = True
        problem(error.reason)
        return
    try:
        box, clipped = box_of(row.get("bbox"), "xywh", found.size)
        if row.get("iscrowd"):
            found.doubtful.add(category.name)
            found.crowds.append({"name": category.name, "box_xyxy": list(box)})
            return
        object_id = id_of(row, "id") if row.get("id") is not None else f"n{len(found.objects)}"
        if object_id in found.objects:
            raise RowError("its id is that of another object in this image")
    except RowError as error:
        found.doubtful.add(category.name)
        problem(error.reason)
        return
    try:
        mask = mask_of(row.get("segmentation"), found.size)
    except RowError as error:
        mask = None
        problem(f"{error.reason}; the object is kept without its mask")
    source: dict[str, Any] = {} if category.is_thing else {"is_thing": False}
    if clipped:
        source["annotated_xywh"] = list(row["bbox"])
    found.objects[object_id] = SceneObject(object_id, category.name, box, mask=mask, source=source)


def add_segments(
    row: Mapping[str, Any],
    categories: Mapping[int, Category],
    found: Found,
    problem: Callable[[str], None],
) -> None:
    """Add the segments of a panoptic annotation; their pixels stay in its PNG, which is not read."""
    try:
        segments = rows_of(row.get("segments_info"), "segments_info")
    except RowError as error:
        found.unknown_lost = True
        problem(error.reason)
        return
    for number, segment in enumerate(segments):
        if not isinstance(segment, Mapping):
            found.unknown_lost = True
            problem(f"segment number {number} is not an object")
            continue
        reasons: list[str] = []
        add_instance(segment, categories, found, reasons.append)
        for reason in reasons:
            problem(f"{row_name('segment', segment, 'id', index=number)}: {reason}")


def _category(row: Mapping[str, Any], categories: Mapping[int, Category]) -> Category:
    category_id = id_of(row, "category_id")
    category = categories.get(key_of(category_id))
    if category is None:
        raise RowError(f"its category {category_id} has no name in this file")
    return category
