"""Visual Genome: image data, scene graphs, attributes, relationships and region descriptions."""

from __future__ import annotations

from typing import Any

from data_builders.miniworld.describing import describe
from data_builders.miniworld.vocabulary import a
from data_builders.scenes import Scene, SceneObject

_MOST_OBJECTS = 10
_MOST_RELATIONS = 100

Row = dict[str, Any]


def image_row(scene: Scene, image_id: int, url: str) -> Row:
    """A row of ``image_data.json``; the url is the file's path inside the image folder."""
    row: Row = {"image_id": image_id, "url": url, "width": scene.width, "height": scene.height}
    return row | {"coco_id": None, "flickr_id": None}


def scene_graph_row(scene: Scene, image_id: int) -> Row:
    """A row of ``scene_graphs.json``: objects with several possible names, and relationships by id."""
    ids = _object_ids(scene, image_id)
    relationships = [
        {
            "relationship_id": image_id * _MOST_RELATIONS + number,
            "predicate": relation.predicate,
            "synsets": [],
            "subject_id": ids[relation.subject],
            "object_id": ids[relation.object],
        }
        for number, relation in enumerate(scene.relations)
    ]
    objects = [_object_row(item, ids) for item in scene.objects]
    return {"image_id": image_id, "objects": objects, "relationships": relationships}


def attributes_row(scene: Scene, image_id: int) -> Row:
    """A row of ``attributes.json``: the objects again, each with its attributes."""
    ids = _object_ids(scene, image_id)
    rows = [_object_row(item, ids) | {"attributes": list(item.attributes)} for item in scene.objects]
    return {"image_id": image_id, "attributes": rows}


def relationships_row(scene: Scene, image_id: int) -> Row:
    """A row of ``relationships.json``: subject and object are written out, each with one name."""
    ids = _object_ids(scene, image_id)
    ends = {}
    for item in scene.objects:
        row = _object_row(item, ids)
        ends[item.id] = {key: value for key, value in row.items() if key != "names"} | {"name": item.name}
    relationships = [
        {
            "relationship_id": image_id * _MOST_RELATIONS + number,
            "predicate": relation.predicate,
            "synsets": [],
            "subject": ends[relation.subject],
            "object": ends[relation.object],
        }
        for number, relation in enumerate(scene.relations)
    ]
    return {"image_id": image_id, "relationships": relationships}


def regions_row(scene: Scene, image_id: int) -> Row:
    """A row of ``region_descriptions.json``: a phrase for the box of each object."""
    ids = _object_ids(scene, image_id)
    regions = []
    for item in scene.objects:
        x, y, width, height = _xywh(item)
        row: Row = {"region_id": ids[item.id], "image_id": image_id, "x": x, "y": y}
        row |= {"width": width, "height": height, "phrase": a(describe(item)), "synsets": []}
        regions.append(row)
    return {"id": image_id, "regions": regions}


def _object_row(item: SceneObject, ids: dict[str, int]) -> Row:
    x, y, width, height = _xywh(item)
    row: Row = {"object_id": ids[item.id], "x": x, "y": y, "w": width, "h": height}
    return row | {"names": [item.name], "synsets": []}


def _object_ids(scene: Scene, image_id: int) -> dict[str, int]:
    return {item.id: image_id * _MOST_OBJECTS + number for number, item in enumerate(scene.objects)}


def _xywh(item: SceneObject) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = (int(value) for value in item.box_xyxy)
    return x0, y0, x1 - x0, y1 - y0
