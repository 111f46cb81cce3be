"""Flickr30k's captions (token file or Karpathy's JSON), with the boxes of Flickr30k Entities beside them.

Source: ``results_20130124.token``; ``Sentences/*.txt`` and ``Annotations/*.xml`` of Flickr30k Entities;
``dataset_flickr30k.json`` (and ``dataset_coco.json``) of Karpathy's splits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from data_builders.problems import Problem, Report
from data_builders.readers.entities import Entities
from data_builders.readers.fields import RowError, id_of, row_name, rows_of, size_of, text_of
from data_builders.readers.inputs import Inputs, Reader
from data_builders.readers.lines import stream_lines
from data_builders.readers.peek import Peek
from data_builders.readers.pictures import Pictures
from data_builders.readers.streaming import stream_items
from data_builders.scenes import Scene
from mmtune.errors import UserError

_TOKEN = re.compile(r"(?P<image>[^\t#]+)#(?P<number>\d+)\t(?P<caption>.*)")


def recognises(peek: Peek) -> bool:
    """Lines of ``IMAGE#0<tab>CAPTION``, Karpathy's JSON, or a folder of Flickr30k Entities."""
    if peek.names:
        return {"Sentences", "Annotations"} <= set(peek.names)
    if "images" in peek.keys and isinstance(peek.row.get("sentences"), list):
        return True
    return bool(_TOKEN.match(peek.line))


def read(inputs: Inputs, report: Report) -> Iterator[Scene]:
    """Scenes in the order of the captions; a folder of Entities gives them objects and phrases.

    Args:
        inputs: a token file or Karpathy's JSON, and maybe the folder of Entities, which also does alone.
        report: told of every line, box and phrase that is left out.

    Raises:
        UserError: a file is not readable, or there are two caption files.
    """
    folders = [path for path in inputs.paths if path.is_dir()]
    files = [path for path in inputs.paths if not path.is_dir()]
    if len(folders) > 1 or len(files) > 1:
        raise UserError(
            "Flickr30k is one caption file and one folder of Entities",
            ", ".join(map(str, inputs.paths)),
            "read them one by one",
        )
    entities = Entities(folders[0], report) if folders else None
    pictures = Pictures(inputs.images)
    for image, captions, source, where in _captions(files, entities, report):
        try:
            ref = pictures.find([image])
            found = entities.read(Path(image).stem) if entities else None
            size = pictures.size(ref, found.size if found else size_of(source))
        except RowError as error:
            report(Problem(f"image {image}", error.reason, where))
            continue
        scene_id = Path(image).stem
        if found is None:
            yield Scene(scene_id, ref, *size, captions=captions, source=source)
            continue
        yield Scene(
            scene_id,
            ref,
            *size,
            objects=found.objects,
            captions=captions or found.captions,
            source=source,
            regions=found.regions,
        )


def _captions(
    files: list[Path], entities: Entities | None, report: Report
) -> Iterator[tuple[str, tuple[str, ...], dict[str, Any], str]]:
    """Image, captions, provenance and file of each image."""
    source = {"format": "flickr30k"}
    if not files:
        assert entities is not None
        for stem in entities.stems():
            yield f"{stem}.jpg", (), source, str(entities.folder)
        return
    (path,) = files
    if path.suffix.lower() == ".json":
        yield from _karpathy(path, report)
        return
    # Five lines an image and 160,000 in all: small enough to hold, so that their order does not matter.
    by_image: dict[str, list[str]] = {}
    for number, line in stream_lines(path, report):
        try:
            found = _TOKEN.fullmatch(line)
            if found is None:
                raise RowError("the line is not IMAGE#NUMBER, a tab and a caption")
            by_image.setdefault(found["image"], []).append(text_of(found["caption"], "caption"))
        except RowError as error:
            report(Problem(f"line {number}", error.reason, str(path)))
    for image, captions in by_image.items():
        yield image, tuple(captions), source, str(path)


def _karpathy(path: Path, report: Report) -> Iterator[tuple[str, tuple[str, ...], dict[str, Any], str]]:
    for item in stream_items(path, opened=lambda key: key == "images"):
        if item.key != "images":
            continue
        row = item.value
        name = row_name("image", row, "imgid", "filename", index=item.index)
        try:
            if item.error or not isinstance(row, dict):
                raise RowError(item.error or "it is not an object")
            file = id_of(row, "filename")
            if isinstance(row.get("filepath"), str):
                file = f"{row['filepath']}/{file}"
            captions = _raw_captions(row, name, path, report)
            if not captions:
                raise RowError("it has no caption")
        except RowError as error:
            report(Problem(name, error.reason, str(path)))
            continue
        yield file, captions, {"format": "flickr30k", "split": str(row.get("split", ""))}, str(path)


def _raw_captions(row: Mapping[str, Any], name: str, path: Path, report: Report) -> tuple[str, ...]:
    captions = []
    for number, sentence in enumerate(rows_of(row.get("sentences"), "sentences")):
        try:
            if not isinstance(sentence, Mapping):
                raise RowError("it is not an object")
            captions.append(text_of(sentence.get("raw"), "caption"))
        except RowError as error:
            report(Problem(f"{name}, sentence number {number}", error.reason, str(path)))
    return tuple(captions)


READER = Reader("Flickr30k captions, Entities, Karpathy's splits", recognises, read)
