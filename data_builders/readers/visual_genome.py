"""Visual Genome: any of its files, in the keys of all its versions.

Source: visualgenome.org's ``image_data``, ``scene_graphs``, ``objects``, ``attributes``, ``relationships``
and ``region_descriptions`` of versions 1.0 (``id``, ``object_names``) to 1.4 (``merged_object_ids``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from data_builders.problems import Problem, Report
from data_builders.readers.fields import RowError, complete, first_of, id_of, row_name, size_of
from data_builders.readers.inputs import Inputs, Reader
from data_builders.readers.peek import Peek, peek
from data_builders.readers.pictures import Pictures, url_paths
from data_builders.readers.places import Places
from data_builders.readers.scene_graph import Graph
from data_builders.readers.streaming import stream_items
from data_builders.scenes import Scene
from mmtune.errors import UserError

# In the order in which they are believed: the first file that has an object says where it is.
KINDS = ("image_data", "scene_graphs", "objects", "attributes", "relationships", "region_descriptions")


def recognises(peek: Peek) -> bool:
    """A list of images with any of the parts, or a folder with files of the official names."""
    if peek.names:
        return bool(_in_folder(peek.names))
    return peek.is_rows and kind_of(peek.row) is not None


def kind_of(row: Mapping[str, Any]) -> str | None:
    """Which of ``KINDS`` a row is from; None where it is from another format."""
    if "image_id" not in row and "id" not in row:
        return None
    if _is_list(row, "regions"):
        return "region_descriptions"
    if _is_list(row, "objects"):
        return "scene_graphs" if _is_list(row, "relationships") else "objects"
    if _is_list(row, "attributes"):
        return "attributes"
    if _is_list(row, "relationships"):
        return "relationships"
    if "url" in row and "width" in row and "caption" not in row:
        return "image_data"
    return None


def read(inputs: Inputs, report: Report, *, merge_iou: float = 0.9) -> Iterator[Scene]:
    """Scenes in the order of the first file; the parts of an image are joined by its id.

    Visual Genome names what somebody mentioned, so no class is exhaustive unless the user claims one. The
    same thing was often boxed by several people: objects of one name whose boxes nearly agree become one,
    which keeps the attributes and relations of all.

    Args:
        inputs: the files, or a folder with files of the official names.
        report: told of every image, object, relation and region that is left out.
        merge_iou: overlap (intersection over union) from which two objects of one name are the same one;
            above 1 none are merged but those that ``merged_object_ids`` names.

    Raises:
        UserError: a file is not readable or malformed, or of no known kind.
    """
    kinds = _by_kind(inputs)
    files = [path for kind in KINDS for path in kinds.get(kind, ())]
    kind_by_file = [kind for kind in KINDS for _ in kinds.get(kind, ())]
    with Places(files) as images, Places(files) as parts:
        for number, path in enumerate(files):
            known = images if kind_by_file[number] == "image_data" else parts
            _index(number, path, known, report)
        for place in (images, parts):
            for row in place.duplicates():
                name = row_name("image", row.value, "image_id", "id")
                report(Problem(name, "its id is that of an earlier row", str(files[row.file])))
        if len(images):
            for row in parts.strangers(images):
                name = row_name("image", row.value, "image_id", "id")
                report(Problem(name, "it is not in image_data.json", str(files[row.file])))
        pictures = Pictures(inputs.images)
        for key in (images if len(images) else parts).images():
            data = next(images.rows(key), None)
            rows = [(kind_by_file[row.file], str(files[row.file]), row.value) for row in parts.rows(key)]
            first = data.value if data else rows[0][2]
            where = str(files[data.file]) if data else rows[0][1]
            try:
                yield _scene(first, rows, pictures, inputs, report, merge_iou)
            except RowError as error:
                report(Problem(row_name("image", first, "image_id", "id"), error.reason, where))


def _scene(
    first: Mapping[str, Any],
    rows: list[tuple[str, str, Mapping[str, Any]]],
    pictures: Pictures,
    inputs: Inputs,
    report: Report,
    merge_iou: float,
) -> Scene:
    image_id = id_of(first, "image_id", "id")
    image = pictures.find(_names(image_id, first))
    size = pictures.size(image, size_of(first))
    graph = Graph(size, f"image {image_id}", report)
    for kind, path, row in rows:
        graph.source = path
        _READ[kind](graph, row)
    graph.merge(merge_iou)
    return Scene(
        image_id,
        image,
        *size,
        objects=graph.objects(),
        relations=graph.relations(),
        exhaustive_classes=complete(inputs.exhaustive or (), graph.doubtful, unknown_lost=graph.unknown_lost),
        source={"format": "visual_genome", "image_id": first_of(first, "image_id", "id")},
        regions=graph.regions(),
    )


def _read_objects(graph: Graph, row: Mapping[str, Any]) -> None:
    graph.add_objects(row.get("objects"), "objects")
    graph.add_relations(row.get("relationships"))


def _read_attributes(graph: Graph, row: Mapping[str, Any]) -> None:
    graph.add_objects(row.get("attributes"), "attributes")


def _read_relationships(graph: Graph, row: Mapping[str, Any]) -> None:
    graph.add_relations(row.get("relationships"))


def _read_regions(graph: Graph, row: Mapping[str, Any]) -> None:
    graph.add_regions(row.get("regions"))


_READ = {
    "scene_graphs": _read_objects,
    "objects": _read_objects,
    "attributes": _read_attributes,
    "relationships": _read_relationships,
    "region_descriptions": _read_regions,
}


def _names(image_id: str, row: Mapping[str, Any]) -> list[str]:
    url = first_of(row, "url", "image_url")
    return [*(url_paths(url) if isinstance(url, str) else ()), f"{image_id}.jpg"]


def _index(number: int, path: Path, places: Places, report: Report) -> None:
    for item in stream_items(path):
        name = row_name("image", item.value, "image_id", "id", index=item.index)
        try:
            if item.error or not isinstance(item.value, dict):
                raise RowError(item.error or "the row is not an object")
            image_id = id_of(item.value, "image_id", "id")
            places.add(number, image_id, image_id, item)
        except RowError as error:
            report(Problem(name, error.reason, str(path)))


def _by_kind(inputs: Inputs) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in inputs.paths:
        if path.is_dir():
            for kind in _in_folder(tuple(entry.name for entry in path.iterdir())):
                found.setdefault(kind, []).append(path / f"{kind}.json")
            continue
        kind_here = kind_of(peek(path).row)
        if kind_here is None:
            raise UserError(
                "this is none of Visual Genome's files", str(path), f"give one of {', '.join(KINDS)}"
            )
        found.setdefault(kind_here, []).append(path)
    if "scene_graphs" in found and "objects" in found:
        # Both list all objects; the graph has the relations as well.
        found.pop("objects")
    return found


def _in_folder(names: tuple[str, ...]) -> list[str]:
    found = [kind for kind in KINDS if f"{kind}.json" in names]
    return found if any(kind != "objects" for kind in found) else []


def _is_list(row: Mapping[str, Any], key: str) -> bool:
    return isinstance(row.get(key), list)


READER = Reader("Visual Genome, any files", recognises, read)
