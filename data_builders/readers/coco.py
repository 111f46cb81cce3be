"""COCO: instances, captions, panoptic segments; LVIS, which has its keys; RefCOCO's expressions beside them.

Source: cocodataset.org/#format-data, lvisdataset.org/dataset (which classes an image was checked for), and
the ``refs(...).p`` files of RefCOCO, RefCOCO+ and RefCOCOg.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data_builders.problems import Problem, Report
from data_builders.readers.coco_objects import Category, Found, add_instance, add_segments
from data_builders.readers.fields import (
    RowError,
    complete,
    first_of,
    id_of,
    name_of,
    row_name,
    rows_of,
    size_of,
    text_of,
)
from data_builders.readers.inputs import Inputs, Reader
from data_builders.readers.peek import Peek
from data_builders.readers.pictures import Pictures, url_paths
from data_builders.readers.places import Places, Row, key_of
from data_builders.readers.refcoco import PICKLES, Referring, read_refs
from data_builders.readers.streaming import stream_items
from data_builders.scenes import Scene
from mmtune.errors import UserError

_LISTS = {"images": "image", "annotations": "annotation", "categories": "category", "licenses": "licence"}
_FOLDER = ("instances_", "captions_", "panoptic_", "lvis_", "refs(")


@dataclass(slots=True)
class _File:
    """What stands in a file beside its images and annotations."""

    path: Path
    categories: dict[int, Category] = field(default_factory=dict)
    licences: dict[int, str] = field(default_factory=dict)

    def add(self, key: str, row: Mapping[str, Any]) -> None:
        """Take in a row of one of the two."""
        if key == "licenses":
            self.licences[key_of(row.get("id"))] = str(first_of(row, "name", "url") or "")
            return
        category = key_of(id_of(row, "id"))
        if category in self.categories:
            raise RowError("its id is that of an earlier category")
        self.categories[category] = Category(name_of(row.get("name")), row.get("isthing", 1) != 0)


def recognises(peek: Peek) -> bool:
    """A file with COCO's lists, a pickle of references, or a folder of such files with their usual names."""
    if peek.names:
        return bool(_in_folder(peek.names))
    if peek.suffix in PICKLES:
        return True
    if peek.is_rows:
        return False
    row = peek.row
    if "images" in peek.keys and "file_name" not in row and "coco_url" not in row:
        return "sentences" not in row and "annotations" in peek.keys
    if "images" in peek.keys:
        return True
    return "annotations" in peek.keys and bool({"caption", "category_id", "segments_info"} & set(row))


def read(inputs: Inputs, report: Report) -> Iterator[Scene]:
    """Scenes in the order of the first file's images; instances, captions and references of an image join.

    A file with categories promises that every instance of them is annotated. The promise is withdrawn, for
    one image, for classes of which it has a crowd or lost an object, and for all classes if it lost an object
    of unknown class. LVIS states for each image which classes were checked, and that is believed instead.

    Args:
        inputs: instance, caption, panoptic and reference files, or their folder.
        report: told of every image, annotation and category that is left out.

    Raises:
        UserError: a file is not readable or malformed, or instances and panoptic segments are mixed.
    """
    paths = [file for path in inputs.paths for file in _files(path)]
    files = [_File(path) for path in paths if path.suffix.lower() not in PICKLES]
    referring = Referring()
    for path in paths:
        if path.suffix.lower() in PICKLES:
            read_refs(path, referring, report)
    if not files:
        raise UserError(
            "references alone say nothing about their boxes",
            ", ".join(map(str, inputs.paths)),
            "give the instances.json that belongs to them, too",
        )
    with _Joined(files, referring, inputs, report) as joined:
        yield from joined.scenes()


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return [path / name for name in _in_folder(tuple(sorted(entry.name for entry in path.iterdir())))]


def _in_folder(names: tuple[str, ...]) -> list[str]:
    found = [
        name
        for name in names
        if name.startswith(_FOLDER) and Path(name).suffix.lower() in (".json", *PICKLES)
    ]
    # RefCOCO's folders hold one instances.json beside several splits of references.
    found.sort(key=lambda name: next(i for i, start in enumerate(_FOLDER) if name.startswith(start)))
    return (["instances.json"] if "instances.json" in names else []) + found


class _Joined:
    """The rows of all files by image, and what became doubtful while they were gone through."""

    def __init__(self, files: list[_File], referring: Referring, inputs: Inputs, report: Report) -> None:
        self._files = files
        self._referring = referring
        self._report = report
        self._stated = inputs.exhaustive
        self._pictures = Pictures(inputs.images)
        self._images = Places([file.path for file in files])
        self._annotations = Places([file.path for file in files])
        self._doubtful: set[int] = set()
        self._object_lost = False

    def __enter__(self) -> _Joined:
        return self

    def __exit__(self, *error: object) -> None:
        self._images.close()
        self._annotations.close()

    def scenes(self) -> Iterator[Scene]:
        """Go through all files once, then through the images."""
        kinds = {kind for number in range(len(self._files)) for kind in self._index(number)}
        if {"bbox", "segments_info"} <= kinds:
            raise UserError(
                "instances and panoptic segments describe the same objects twice",
                ", ".join(str(file.path) for file in self._files),
                "give one of the two",
            )
        for row in self._images.duplicates():
            self._problem(row.file, row_name("image", row.value, "id"), "its id is that of an earlier image")
        for row in self._annotations.duplicates():
            name = row_name("annotation", row.value, "id")
            self._problem(row.file, name, "its id is that of an earlier annotation")
            self._doubtful.add(key_of(id_of(row.value, "image_id")))
        for row in self._annotations.strangers(self._images):
            reason = f"it points to image {row.value.get('image_id')!r}, which no file lists"
            self._problem(row.file, row_name("annotation", row.value, "id"), reason)
        self._referring.report_strangers(self._images, self._report)
        for key in self._images.images():
            rows = list(self._images.rows(key))
            try:
                yield self._scene(key, rows)
            except RowError as error:
                self._problem(rows[0].file, row_name("image", rows[0].value, "id"), error.reason)

    def _index(self, number: int) -> set[str]:
        """Go through a file once.

        Returns:
            The kinds of annotation seen: ``bbox``, ``caption``, ``segments_info``.
        """
        kinds: set[str] = set()
        file = self._files[number]
        for item in stream_items(file.path, opened=lambda key: key in _LISTS):
            if item.key not in _LISTS:
                continue
            row = item.value
            try:
                if item.error or not isinstance(row, dict):
                    raise RowError(item.error or "it is not an object")
                if item.key == "images":
                    self._images.add(number, id_of(row, "id"), row["id"], item)
                elif item.key == "annotations":
                    kinds |= {"bbox", "caption", "segments_info"} & set(row)
                    # Panoptic rows are told apart by their image alone.
                    own = None if "segments_info" in row else row.get("id")
                    self._annotations.add(number, id_of(row, "image_id"), own, item)
                else:
                    file.add(item.key, row)
            except RowError as error:
                self._problem(number, row_name(_LISTS[item.key], row, "id", index=item.index), error.reason)
                if item.key == "annotations" and not (isinstance(row, dict) and "caption" in row):
                    # An object of any class, in any image.
                    self._object_lost = True
        return kinds

    def _scene(self, key: int, rows: list[Row]) -> Scene:
        first = rows[0].value
        image_id = id_of(first, "id")
        image = self._pictures.find(_names(first))
        size = self._pictures.size(image, size_of(first))
        found = Found(size)
        told_by = set()
        for row in self._annotations.rows(key):
            self._add(row, found)
            if "caption" not in row.value:
                told_by.add(row.file)
        found.doubtful |= _told_twice([self._files[number] for number in sorted(told_by)])
        regions = self._referring.regions(key, found, self._report)
        claimed = _claimed(rows, self._files, found, self._stated)
        lost = found.unknown_lost or self._object_lost or key in self._doubtful
        source: dict[str, Any] = {"format": "coco", "image_id": first["id"]}
        if found.crowds:
            source["crowds"] = found.crowds
        if splits := self._referring.splits(key):
            source["splits"] = splits
        return Scene(
            image_id,
            image,
            *size,
            objects=tuple(found.objects.values()),
            captions=tuple(found.captions),
            exhaustive_classes=complete(claimed, found.doubtful, unknown_lost=lost),
            licence=self._files[rows[0].file].licences.get(key_of(first.get("license")), ""),
            source=source,
            regions=regions,
        )

    def _add(self, row: Row, found: Found) -> None:
        categories = self._files[row.file].categories

        def problem(reason: str) -> None:
            self._problem(row.file, row_name("annotation", row.value, "id"), reason)

        if "segments_info" in row.value:
            add_segments(row.value, categories, found, problem)
        elif "caption" not in row.value:
            add_instance(row.value, categories, found, problem)
        else:
            try:
                found.captions.append(text_of(row.value["caption"], "caption"))
            except RowError as error:
                problem(error.reason)

    def _problem(self, file: int, name: str, reason: str) -> None:
        self._report(Problem(name, reason, str(self._files[file].path)))


def _names(row: Mapping[str, Any]) -> list[str]:
    name = row.get("file_name")
    if isinstance(name, str):
        return [name]
    url = first_of(row, "coco_url", "flickr_url")
    return url_paths(url) if isinstance(url, str) else []


def _told_twice(files: list[_File]) -> set[str]:
    """Classes of more than one file with objects of an image: each thing may stand there twice."""
    counts = Counter(name for file in files for name in {item.name for item in file.categories.values()})
    return {name for name, count in counts.items() if count > 1}


def _claimed(
    images: list[Row], files: list[_File], found: Found, stated: frozenset[str] | None
) -> frozenset[str]:
    """Classes that the files of this image, or the user, say are annotated in full.

    Args:
        images: the image's row in each file that lists it; what a row says of classes is of its own file's.
        files: by number.
        found: the objects of the image.
        stated: by the user, who knows better; None where nothing is.
    """
    if stated is not None:
        return stated
    claimed: set[str] = set()
    for row in images:
        things = {key: item.name for key, item in files[row.file].categories.items() if item.is_thing}
        claimed |= _checked(row.value, things, found) if _is_checked(row.value) else set(things.values())
    return frozenset(claimed)


def _is_checked(image: Mapping[str, Any]) -> bool:
    """Whether the image says itself which classes it was checked for, as LVIS's do."""
    return isinstance(image.get("neg_category_ids"), list)


def _checked(image: Mapping[str, Any], things: Mapping[int, str], found: Found) -> set[str]:
    """Classes of which an image of LVIS is known to have none, or of which all are annotated."""
    absent, partial = (
        {things[key_of(i)] for i in rows_of(image.get(key), key) if key_of(i) in things}
        for key in ("neg_category_ids", "not_exhaustive_category_ids")
    )
    present = {item.name for item in found.objects.values()} & set(things.values())
    return (absent | present) - partial


READER = Reader("COCO instances, captions, panoptic; LVIS; RefCOCO", recognises, read)
