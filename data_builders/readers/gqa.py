"""GQA's scene graphs: one object of images by id.

Source: the ``{train,val}_sceneGraphs.json`` of cs.stanford.edu/people/dorarad/gqa.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from data_builders.problems import Problem, Report
from data_builders.readers.fields import RowError, complete, id_of, name_of, size_of
from data_builders.readers.inputs import Inputs, Reader
from data_builders.readers.peek import Peek
from data_builders.readers.pictures import Pictures
from data_builders.readers.scene_graph import Graph
from data_builders.readers.streaming import stream_items
from data_builders.scenes import Scene


def recognises(peek: Peek) -> bool:
    """An object whose values hold objects by id, in a file or in the first JSON file of a folder."""
    if peek.names:
        return any(name.endswith("_sceneGraphs.json") for name in peek.names)
    return not peek.is_rows and isinstance(peek.row.get("objects"), dict)


def read(inputs: Inputs, report: Report) -> Iterator[Scene]:
    """Scenes in the order of the files, one read at a time; place and weather go to ``source``.

    Args:
        inputs: scene graph files, or a folder with ``*_sceneGraphs.json``.
        report: told of every image, object and relation that is left out.

    Raises:
        UserError: a file is not readable or malformed.
    """
    pictures = Pictures(inputs.images)
    for path in inputs.paths:
        for file in sorted(path.glob("*_sceneGraphs.json")) if path.is_dir() else [path]:
            for item in stream_items(file, opened=lambda key: False):
                try:
                    if item.error or not isinstance(item.value, dict):
                        raise RowError(item.error or "it is not an object")
                    yield _scene(item.key, item.value, str(file), pictures, inputs, report)
                except RowError as error:
                    report(Problem(f"image {item.key}", error.reason, str(file)))


def _scene(
    image_id: str, row: Mapping[str, Any], path: str, pictures: Pictures, inputs: Inputs, report: Report
) -> Scene:
    image = pictures.find([f"{image_id}.jpg", f"images/{image_id}.jpg"])
    size = pictures.size(image, size_of(row))
    graph = Graph(size, f"image {image_id}", report)
    graph.source = path
    objects = row.get("objects")
    if not isinstance(objects, dict):
        raise RowError("its objects are not given by id")
    rows = [{**item, "object_id": key} for key, item in objects.items() if isinstance(item, dict)]
    for key, item in objects.items():
        if not isinstance(item, dict):
            graph.unknown_lost = True
            report(Problem(f"image {image_id}, object {key}", "it is not an object", path))
    graph.add_objects(rows, "objects")
    for item in rows:
        _add_relations(graph, item, f"image {image_id}", path, report)
    source = {"format": "gqa", "image_id": image_id}
    source |= {key: row[key] for key in ("location", "weather") if isinstance(row.get(key), str)}
    return Scene(
        image_id,
        image,
        *size,
        objects=graph.objects(),
        relations=graph.relations(),
        exhaustive_classes=complete(inputs.exhaustive or (), graph.doubtful, unknown_lost=graph.unknown_lost),
        source=source,
    )


def _add_relations(graph: Graph, item: Mapping[str, Any], image: str, path: str, report: Report) -> None:
    subject = str(item["object_id"])
    relations = item.get("relations") or []
    if not isinstance(relations, list):
        reason = f"its relations are a {type(relations).__name__}, not a list"
        report(Problem(f"{image}, object {subject}", reason, path))
        return
    for number, relation in enumerate(relations):
        name = f"object {subject}, relation number {number}"
        try:
            if not isinstance(relation, Mapping):
                raise RowError("it is not an object")
            graph.add_relation(subject, name_of(relation.get("name")), id_of(relation, "object"), name)
        except RowError as error:
            report(Problem(f"{image}, {name}", error.reason, path))


READER = Reader("GQA scene graphs", recognises, read)
