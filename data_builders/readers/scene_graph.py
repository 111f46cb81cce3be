"""Objects, attributes, relations and regions of one image, put together from several files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from data_builders.frames import Box
from data_builders.problems import Problem, Report
from data_builders.readers.fields import (
    RowError,
    box_of,
    first_of,
    id_of,
    name_of,
    row_name,
    rows_of,
    text_of,
)
from data_builders.scenes import Region, Relation, SceneObject


@dataclass(slots=True)
class _Node:
    name: str
    box: Box
    attributes: dict[str, None] = field(default_factory=dict)
    source: dict[str, Any] = field(default_factory=dict)


class Graph:
    """What was found about one image so far.

    Args:
        size: (width, height) of the image in pixels; (0, 0) where it is not known.
        row: the image's name in reports.
        report: told of what is left out.
    """

    def __init__(self, size: tuple[int, int], row: str, report: Report) -> None:
        self.size = size
        self.row = row
        self.source = ""
        """The file that is being read."""
        self.doubtful: set[str] = set()
        self.unknown_lost = False
        self._report = report
        self._nodes: dict[str, _Node] = {}
        self._same: dict[str, str] = {}
        self._lost: set[str] = set()
        self._relations: dict[Relation, tuple[str, str]] = {}
        self._regions: dict[str, Region] = {}

    def add_objects(self, value: Any, what: str) -> None:
        """Add the objects of a list; one that another file had already gets the attributes of this one.

        Args:
            value: the list; None adds nothing.
            what: its key, for reports.
        """
        seen: set[str] = set()
        for index, row in enumerate(self._rows(value, what)):
            name = row_name("object", row, "object_id", "id", index=index)
            try:
                object_id = id_of(row, "object_id", "id")
                if object_id in seen:
                    raise RowError("its id is that of an earlier object of this image")
            except RowError as error:
                self._lose(row)
                self._problem(name, error.reason)
                continue
            seen.add(object_id)
            self._add(object_id, row, name)

    def add_relations(self, value: Any) -> None:
        """Add relations, whose ends are ids or written out, as objects with one name or several."""
        for index, row in enumerate(self._rows(value, "relationships")):
            name = row_name("relationship", row, "relationship_id", "id", index=index)
            try:
                if not isinstance(row, Mapping):
                    raise RowError("it is not an object")
                predicate = name_of(row.get("predicate"), "predicate")
                ends = [self._end(row, side, name) for side in ("subject", "object")]
            except RowError as error:
                self._problem(name, error.reason)
                continue
            self._relations.setdefault(Relation(ends[0], predicate, ends[1]), (name, self.source))

    def add_relation(self, subject: str, predicate: str, other: str, name: str) -> None:
        """Add a relation between two objects by their ids."""
        self._relations.setdefault(Relation(subject, predicate, other), (name, self.source))

    def add_regions(self, value: Any) -> None:
        """Add region descriptions: a box as x, y, width, height, and a phrase."""
        for index, row in enumerate(self._rows(value, "regions")):
            name = row_name("region", row, "region_id", "id", index=index)
            try:
                if not isinstance(row, Mapping):
                    raise RowError("it is not an object")
                region_id = id_of(row, "region_id", "id")
                if region_id in self._regions:
                    raise RowError("its id is that of an earlier region of this image")
                phrase = text_of(row.get("phrase"), "phrase")
                box, _ = box_of(_xywh(row), "xywh", self.size)
            except RowError as error:
                self._problem(name, error.reason)
                continue
            self._regions[region_id] = Region(region_id, phrase, box)

    def merge(self, least_iou: float) -> None:
        """Make one object of those with one name whose boxes overlap by at least this share."""
        for object_id in [key for key in self._nodes if self._kept(key) != key]:
            self._fold(object_id, self._kept(object_id))
        by_name: dict[str, list[str]] = {}
        for object_id, node in list(self._nodes.items()):
            kept = by_name.setdefault(node.name, [])
            twin = next((i for i in kept if _iou(self._nodes[i].box, node.box) >= least_iou), None)
            if twin is None:
                kept.append(object_id)
                continue
            self._fold(object_id, twin)

    def objects(self) -> tuple[SceneObject, ...]:
        """The objects, in the order in which they were first met."""
        return tuple(
            SceneObject(object_id, node.name, node.box, tuple(node.attributes), source=node.source)
            for object_id, node in self._nodes.items()
        )

    def relations(self) -> tuple[Relation, ...]:
        """The relations whose ends are there; others are reported."""
        found: dict[Relation, None] = {}
        for relation, (name, source) in self._relations.items():
            subject, other = self._kept(relation.subject), self._kept(relation.object)
            missing = [end for end in (subject, other) if end not in self._nodes]
            if missing:
                left_out = "was left out" if missing[0] in self._lost else "is not there"
                self._problem(name, f"its object {missing[0]} {left_out}", source)
            elif subject == other:
                self._problem(name, f"it relates object {subject} to itself", source)
            else:
                found[Relation(subject, relation.predicate, other)] = None
        return tuple(found)

    def regions(self) -> tuple[Region, ...]:
        """The region descriptions."""
        return tuple(self._regions.values())

    def _add(self, object_id: str, row: Mapping[str, Any], name: str) -> None:
        node = self._nodes.get(self._kept(object_id))
        if node is None:
            if object_id in self._lost:
                return
            try:
                node = self._node(row)
            except RowError as error:
                self._lost.add(object_id)
                self._lose(row)
                self._problem(name, error.reason)
                return
            self._nodes[object_id] = node
            # Counted under its first name, it is one more of what its other names say.
            self.doubtful.update(other for other in node.source.get("names", ()) if other != node.name)
        try:
            merged = rows_of(row.get("merged_object_ids"), "merged_object_ids")
        except RowError as error:
            self._problem(name, error.reason)
            merged = []
        for other in merged:
            if str(other) != object_id:
                self._same.setdefault(str(other), object_id)
        for attribute in self._attributes(row, name):
            node.attributes[attribute] = None

    def _node(self, row: Mapping[str, Any]) -> _Node:
        names = _names(row)
        box, clipped = box_of(_xywh(row), "xywh", self.size)
        source: dict[str, Any] = {"names": names} if len(names) > 1 else {}
        if clipped:
            source["annotated_xywh"] = _xywh(row)
        return _Node(names[0], box, source=source)

    def _attributes(self, row: Mapping[str, Any], name: str) -> list[str]:
        try:
            values = rows_of(row.get("attributes"), "attributes")
        except RowError as error:
            self._problem(name, error.reason)
            return []
        found = []
        for value in values:
            try:
                found.append(name_of(value, "attribute"))
            except RowError as error:
                self._problem(name, f"{error.reason}; the object is kept without it")
        return found

    def _end(self, row: Mapping[str, Any], side: str, name: str) -> str:
        end = row.get(side)
        if not isinstance(end, Mapping):
            return id_of(row, f"{side}_id", side)
        object_id = id_of(end, "object_id", "id")
        # The ends of relationships.json repeat an object for each relation that it is in.
        if self._kept(object_id) not in self._nodes:
            self._add(object_id, end, f"{name}, object {object_id}")
        return object_id

    def _fold(self, object_id: str, into: str) -> None:
        """Let one object stand for another, too; nothing happens where it is not there itself."""
        if into not in self._nodes:
            return
        self._same[object_id] = into
        node = self._nodes.pop(object_id)
        self._nodes[into].attributes |= node.attributes
        self._nodes[into].source.setdefault("merged", []).append(object_id)

    def _kept(self, object_id: str) -> str:
        """The object that stands for this one, which may have been merged step by step."""
        seen: set[str] = set()
        while object_id in self._same and object_id not in seen:
            seen.add(object_id)
            object_id = self._same[object_id]
        return object_id

    def _lose(self, row: Any) -> None:
        """Remember that an object's class is no longer complete."""
        try:
            self.doubtful.update(_names(row))
        except RowError:
            self.unknown_lost = True

    def _rows(self, value: Any, what: str) -> list[Mapping[str, Any]]:
        try:
            return rows_of(value, what)
        except RowError as error:
            self.unknown_lost = True
            self._problem(what, error.reason)
            return []

    def _problem(self, name: str, reason: str, source: str | None = None) -> None:
        self._report(Problem(f"{self.row}, {name}", reason, self.source if source is None else source))


def _names(row: Any) -> list[str]:
    """The names of an object, under any of the keys and as one or several."""
    if not isinstance(row, Mapping):
        raise RowError("it is not an object")
    value = first_of(row, "names", "name", "object_names")
    names = []
    for name in value if isinstance(value, list) else [value]:
        try:
            names.append(name_of(name))
        except RowError:
            if not isinstance(value, list) or (name is value[-1] and not names):
                raise
    if not names:
        raise RowError("there is no name")
    return names


def _xywh(row: Mapping[str, Any]) -> list[Any]:
    return [row.get("x"), row.get("y"), first_of(row, "w", "width"), first_of(row, "h", "height")]


def _iou(one: Box, two: Box) -> float:
    width = min(one[2], two[2]) - max(one[0], two[0])
    height = min(one[3], two[3]) - max(one[1], two[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, two))
    return width * height / (areas - width * height)
