"""The scene: everything that is known to be true about one image, whatever annotated it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_builders.frames import ORIGINAL, Box, Frame, convert
from mmtune.errors import UserError

if TYPE_CHECKING:
    from mmtune.records import ImageRef


@dataclass(frozen=True, slots=True)
class Mask:
    """The pixels of an object, as COCO polygons or as uncompressed COCO run lengths; exactly one is given.

    Args:
        height: pixels.
        width: pixels.
        polygons: each a flat (x0, y0, x1, y1, ...) outline in pixels.
        counts: run lengths over the column-major pixels, the first run being background.
    """

    height: int
    width: int
    polygons: tuple[tuple[float, ...], ...] = ()
    counts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SceneObject:
    """One annotated thing in an image.

    Args:
        id: unique in its scene.
        name: the class, in the singular and in lower case.
        box_xyxy: left, top, right, bottom of the visible part in pixels of the scene's frame; right and
            bottom are exclusive.
        attributes: such as a colour and a size, in the order in which a person would say them.
        depth: 0 is furthest from the viewer; None where the depth order is not known.
        text: what is written on it, for digits, words and lines of OCR.
        mask: visible pixels of the original image, where they are annotated.
        source: what the scene's own builder needs to draw or find the object again; plain JSON values.
    """

    id: str
    name: str
    box_xyxy: Box
    attributes: tuple[str, ...] = ()
    depth: int | None = None
    text: str | None = None
    mask: Mask | None = None
    source: Mapping[str, Any] = field(default_factory=dict)

    @property
    def center(self) -> tuple[float, float]:
        """The middle of the box, (x, y) in pixels."""
        x0, y0, x1, y1 = self.box_xyxy
        return (x0 + x1) / 2, (y0 + y1) / 2

    @property
    def area(self) -> float:
        """The area of the box in square pixels."""
        x0, y0, x1, y1 = self.box_xyxy
        return max(0.0, x1 - x0) * max(0.0, y1 - y0)


@dataclass(frozen=True, slots=True)
class Relation:
    """``subject`` stands in ``predicate`` to ``object``; both are object ids of the scene."""

    subject: str
    predicate: str
    object: str


@dataclass(frozen=True, slots=True)
class Region:
    """What somebody said about a part of the image: a region description or a referring expression.

    Args:
        id: unique among the regions of its scene.
        phrase: the words.
        box_xyxy: as of an object.
        objects: ids of the objects meant; empty where that is not annotated.
    """

    id: str
    phrase: str
    box_xyxy: Box
    objects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scene:
    """All that is known about one image.

    Args:
        id: unique in its data set.
        image: the file, where there is one.
        width: pixels of the original image; 0 where neither annotation nor image tells it.
        height: pixels of the original image; 0 where neither annotation nor image tells it.
        objects: in the order of their ids' creation, not of depth.
        relations: between objects of this scene.
        captions: what people (or the builder) said about the whole image.
        exhaustive_classes: classes of which every instance is annotated. Only about these may a question
            be negative or ask for a number.
        exhaustive_attributes: types of attribute, such as "color", whose values are complete for every object
            here. Only about these may a question say that an object lacks a value.
        licence: of the image and its annotation.
        source: what the scene's own builder needs to draw or find the image again; plain JSON values.
        frame: the picture in whose pixels the boxes of objects and regions are.
        regions: phrases about parts of the image.
        texts: what is written in the image, line by line in reading order, where its place is not known;
            writing whose place is known is an object with ``text``.
    """

    id: str
    image: ImageRef | None
    width: int
    height: int
    objects: tuple[SceneObject, ...] = ()
    relations: tuple[Relation, ...] = ()
    captions: tuple[str, ...] = ()
    exhaustive_classes: frozenset[str] = frozenset()
    exhaustive_attributes: frozenset[str] = frozenset()
    licence: str = ""
    source: Mapping[str, Any] = field(default_factory=dict)
    frame: Frame = ORIGINAL
    regions: tuple[Region, ...] = ()
    texts: tuple[str, ...] = ()

    @property
    def extent(self) -> tuple[int, int]:
        """(width, height) of the frame of the boxes, in its own pixels."""
        return self.frame.extent(self.width, self.height)

    def of_class(self, name: str) -> tuple[SceneObject, ...]:
        """The annotated objects of one class."""
        return tuple(item for item in self.objects if item.name == name)

    def object(self, object_id: str) -> SceneObject:
        """The object with this id; KeyError if the scene has none."""
        for item in self.objects:
            if item.id == object_id:
                return item
        raise KeyError(object_id)

    def with_image(self, image: ImageRef) -> Scene:
        """The same scene, stored in this file."""
        return replace(self, image=image)

    def in_frame(self, frame: Frame) -> Scene:
        """The same scene with the boxes of its objects and regions in another frame.

        Masks stay as they are: they are of the original image whatever the frame, and say their own size.

        Raises:
            UserError: if the size of the image is not known.
        """
        if self.frame == frame:
            return self

        def moved(box: Box) -> Box:
            return convert(box, self.width, self.height, self.frame, frame)

        return replace(
            self,
            frame=frame,
            objects=tuple(replace(item, box_xyxy=moved(item.box_xyxy)) for item in self.objects),
            regions=tuple(replace(item, box_xyxy=moved(item.box_xyxy)) for item in self.regions),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, from which ``scene_from_json`` rebuilds an equal scene."""
        row: dict[str, Any] = {"id": self.id, "image": self.image.path if self.image else None}
        row |= {"width": self.width, "height": self.height, "licence": self.licence}
        row["objects"] = [_object_to_json(item) for item in self.objects]
        row["relations"] = [[item.subject, item.predicate, item.object] for item in self.relations]
        row["captions"] = list(self.captions)
        row["exhaustive_classes"] = sorted(self.exhaustive_classes)
        if self.exhaustive_attributes:
            row["exhaustive_attributes"] = sorted(self.exhaustive_attributes)
        row["source"] = dict(self.source)
        if self.frame != ORIGINAL:
            row["frame"] = {"padded": self.frame.padded, "size": self.frame.size and list(self.frame.size)}
        if self.regions:
            row["regions"] = [_region_to_json(item) for item in self.regions]
        if self.texts:
            row["texts"] = list(self.texts)
        return row


def scene_from_json(row: Mapping[str, Any]) -> Scene:
    """Rebuild a scene from the values that ``Scene.to_json`` gave.

    Raises:
        UserError: if a field is missing or has the wrong shape.
    """
    from mmtune.records import ImageRef

    try:
        return Scene(
            id=str(row["id"]),
            image=ImageRef(row["image"]) if row.get("image") else None,
            width=int(row["width"]),
            height=int(row["height"]),
            objects=tuple(_object_from_json(item) for item in row.get("objects", ())),
            relations=tuple(Relation(*_texts(item, "relation")) for item in row.get("relations", ())),
            captions=_texts(row.get("captions", ()), "caption"),
            exhaustive_classes=frozenset(_texts(row.get("exhaustive_classes", ()), "class")),
            exhaustive_attributes=frozenset(_texts(row.get("exhaustive_attributes", ()), "attribute")),
            licence=_text(row.get("licence", ""), "licence"),
            source=dict(row.get("source", {})),
            frame=_frame_from_json(row.get("frame", {})),
            regions=tuple(_region_from_json(item) for item in row.get("regions", ())),
            texts=_texts(row.get("texts", ()), "text"),
        )
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        where = f"scene {row.get('id', '?')!r}" if isinstance(row, Mapping) else None
        raise UserError(f"a scene cannot be read: {type(error).__name__} {error}", where) from error


def write_scenes(path: Path, scenes: Iterable[Scene]) -> None:
    """Write one scene a line; the file appears only when it is complete."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8") as out:
        for scene in scenes:
            out.write(json.dumps(scene.to_json(), ensure_ascii=False) + "\n")
    partial.replace(path)


def read_scenes(path: Path) -> Iterator[Scene]:
    """Read the scenes that ``write_scenes`` wrote.

    Raises:
        UserError: with the line, where one is not a scene.
    """
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line.decode())
            except json.JSONDecodeError as error:
                raise UserError(f"malformed JSON: {error.msg}", f"{path}:{number}:{error.colno}") from error
            except (ValueError, RecursionError) as error:
                raise UserError(f"JSON that cannot be decoded: {error}", f"{path}:{number}") from error
            yield scene_from_json(row)


def _object_to_json(item: SceneObject) -> dict[str, Any]:
    row: dict[str, Any] = {"id": item.id, "name": item.name, "box_xyxy": list(item.box_xyxy)}
    row["attributes"] = list(item.attributes)
    if item.depth is not None:
        row["depth"] = item.depth
    if item.text is not None:
        row["text"] = item.text
    if item.mask is not None:
        mask: dict[str, Any] = {"height": item.mask.height, "width": item.mask.width}
        mask |= {
            "polygons": [list(outline) for outline in item.mask.polygons],
            "counts": list(item.mask.counts),
        }
        row["mask"] = mask
    if item.source:
        row["source"] = dict(item.source)
    return row


def _object_from_json(row: Mapping[str, Any]) -> SceneObject:
    mask, depth, text = row.get("mask"), row.get("depth"), row.get("text")
    if depth is not None and (isinstance(depth, bool) or not isinstance(depth, int)):
        raise TypeError(f"a depth is no whole number: {depth!r}")
    return SceneObject(
        id=str(row["id"]),
        name=_text(row["name"], "name"),
        box_xyxy=_box(row["box_xyxy"]),
        attributes=_texts(row.get("attributes", ()), "attribute"),
        depth=depth,
        text=None if text is None else _text(text, "text"),
        mask=None if mask is None else _mask_from_json(mask),
        source=dict(row.get("source", {})),
    )


def _mask_from_json(row: Mapping[str, Any]) -> Mask:
    polygons = tuple(tuple(outline) for outline in row.get("polygons", ()))
    return Mask(int(row["height"]), int(row["width"]), polygons, tuple(row.get("counts", ())))


def _region_to_json(item: Region) -> dict[str, Any]:
    row: dict[str, Any] = {"id": item.id, "phrase": item.phrase, "box_xyxy": list(item.box_xyxy)}
    return row | {"objects": list(item.objects)}


def _region_from_json(row: Mapping[str, Any]) -> Region:
    phrase, meant = _text(row["phrase"], "phrase"), _texts(row.get("objects", ()), "object")
    return Region(str(row["id"]), phrase, _box(row["box_xyxy"]), meant)


def _box(value: Any) -> Box:
    left, top, right, bottom = value
    box = (left, top, right, bottom)
    if any(isinstance(side, bool) or not isinstance(side, int | float) for side in box):
        raise TypeError(f"a box is not of numbers: {list(box)!r}")
    if not all(map(math.isfinite, box)):
        raise ValueError(f"a box is not finite: {list(box)!r}")
    return box


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a {what} is no text: {value!r}")
    return value


def _texts(values: Any, what: str) -> tuple[str, ...]:
    if isinstance(values, str):  # its letters are not a list
        raise TypeError(f"there is no list of each {what}: {values!r}")
    return tuple(_text(value, what) for value in values)


def _frame_from_json(row: Mapping[str, Any]) -> Frame:
    if not row.get("size"):
        return Frame(bool(row.get("padded")))
    width, height = row["size"]
    return Frame(bool(row.get("padded")), (int(width), int(height)))
