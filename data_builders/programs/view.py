"""A scene, indexed once for all programs, with the rules for what may be said of it."""

from __future__ import annotations

from typing import Literal

from data_builders.frames import ORIGINAL
from data_builders.programs.attribute_types import lacks, type_of
from data_builders.programs.predicates import canonical, contradictions_of
from data_builders.scenes import Scene, SceneObject

Names = Literal["exhaustive", "annotated"]


class View:
    """A scene and its indices.

    Args:
        scene: that is asked about; its boxes are brought to the original image.
        names: when a class name alone may refer to an object. "exhaustive": if the class is annotated
            exhaustively, so that no second one can be there; "annotated": if one is annotated, as the
            makers of most data sets assume.
        digits: of box and point coordinates, which are ratios of width and height.
    """

    __slots__ = (
        "box_texts", "boxes", "by_id", "by_name", "digits", "exhaustive", "exhaustive_attributes", "height",
        "masks", "named", "names", "neighbors", "objects", "phrases", "relations", "said", "scene",
        "singles",
        "width",
    )  # fmt: skip

    def __init__(self, scene: Scene, names: Names = "exhaustive", digits: int = 2) -> None:
        scene = scene.in_frame(ORIGINAL)
        self.scene = scene
        self.names = names
        self.digits = digits
        self.width, self.height = scene.width, scene.height
        self.objects = scene.objects
        self.exhaustive = scene.exhaustive_classes
        self.exhaustive_attributes = scene.exhaustive_attributes
        self.by_id = {item.id: item for item in scene.objects}
        self.by_name: dict[str, list[SceneObject]] = {}
        for item in scene.objects:
            self.by_name.setdefault(item.name, []).append(item)
        self.relations: dict[tuple[str, str], list[str]] = {}
        self.neighbors: dict[str, dict[str, None]] = {}
        for relation in scene.relations:
            found = self.relations.setdefault((relation.subject, relation.object), [])
            self.neighbors.setdefault(relation.object, {})[relation.subject] = None
            self.neighbors.setdefault(relation.subject, {})[relation.object] = None
            predicate = canonical(relation.predicate)
            if predicate not in found:
                found.append(predicate)
        self.phrases: dict[tuple[str, str], str | None] = {}
        self.said: dict[tuple[str, str], tuple[str, ...] | None] = {}
        self.singles: frozenset[str] | None = None
        self.named: list[SceneObject] | None = None
        self.box_texts: dict[str, str] = {}
        self.boxes: dict[str, int] = {}
        self.masks: dict[str, object] = {}

    def count(self, name: str) -> int:
        """How many objects of this class are annotated."""
        return len(self.by_name.get(name, ()))

    def apart(self, name: str) -> bool:
        """Whether the annotation tells the objects of this class from all others that the image shows."""
        return self.names == "annotated" or name in self.exhaustive

    def values(self, item: SceneObject, kind: str) -> tuple[str, ...]:
        """The object's attributes of one type, such as "color"."""
        return tuple(dict.fromkeys(value for value in item.attributes if type_of(value) == kind))

    def lacks(self, item: SceneObject, value: str) -> bool:
        """Whether it is certain that an attribute does not hold."""
        return lacks(item.attributes, value, self.exhaustive_attributes)

    def holds(self, one: str, predicate: str, two: str) -> bool:
        """Whether a relation is annotated, and nothing that contradicts it."""
        found = self.relations.get((one, two))
        return found is not None and predicate in found and not self._contradicted(one, predicate, two)

    def denies(self, one: str, predicate: str, two: str) -> bool:
        """Whether it is certain that a relation does not hold: one that excludes it is annotated."""
        if two not in self.neighbors.get(one, ()) or predicate in self.relations.get((one, two), ()):
            return False
        return self._contradicted(one, predicate, two)

    def _contradicted(self, one: str, predicate: str, two: str) -> bool:
        contrary = contradictions_of(predicate)
        if not contrary:
            return False
        if not contrary.isdisjoint(self.relations.get((one, two), ())):
            return True
        # "a above b" and "b above a" exclude each other.
        return predicate in self.relations.get((two, one), ())

    def denial(self, one: str, predicate: str, two: str) -> tuple[str, ...]:
        """Ids of the relations that exclude this one."""
        contrary = contradictions_of(predicate)
        found = [
            relation_id(one, other, two) for other in self.relations.get((one, two), ()) if other in contrary
        ]
        if predicate in self.relations.get((two, one), ()):
            found.append(relation_id(two, predicate, one))
        return tuple(found)


def relation_id(one: str, predicate: str, two: str) -> str:
    """How evidence names a relation, which has no id of its own: ``subject|predicate|object``."""
    return f"{one}|{predicate}|{two}"


def tells_all(view: View) -> bool:
    """Whether some class is exhaustively annotated."""
    return bool(view.exhaustive)


def tells_all_attributes(view: View) -> bool:
    """Whether some class and some type of attribute are exhaustively annotated."""
    return bool(view.exhaustive) and bool(view.exhaustive_attributes)


def can_name(view: View) -> bool:
    """Whether objects may be called by their names alone."""
    return bool(view.exhaustive) or view.names == "annotated"


def can_name_related(view: View) -> bool:
    """Whether objects may be called by their names alone, and some are related."""
    return bool(view.relations) and can_name(view)


def is_related(view: View) -> bool:
    """Whether some objects are related."""
    return bool(view.relations)


def has_text(view: View) -> bool:
    """Whether some text is annotated."""
    return any(item.text for item in view.objects)


def has_masks(view: View) -> bool:
    """Whether some object has a mask."""
    return any(item.mask is not None for item in view.objects)


def has_depth(view: View) -> bool:
    """Whether objects may be called by their names, and the depth of some is known."""
    return can_name(view) and any(item.depth is not None for item in view.objects)
