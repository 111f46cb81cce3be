"""LLaVA's JSON as scenes: conversations to evolve, and the captions and boxes that its teacher was shown.

Source: the conversation rows of LLaVA, and the context file of its evaluation (``captions``, ``instances``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from data_builders.frames import ORIGINAL, Frame, from_fractions
from data_builders.problems import Problem, Report
from data_builders.readers.fields import RowError, box_of, id_of, name_of, row_name, rows_of, text_of
from data_builders.readers.inputs import Inputs, Reader
from data_builders.readers.peek import Peek
from data_builders.readers.pictures import Pictures
from data_builders.readers.rows import stream_rows
from data_builders.scenes import Scene, SceneObject
from mmtune.errors import RecordError
from mmtune.records import Record, parse_llava

_SHARES = Frame(size=(1, 1))
"""Shares of the image's sides are pixels of the image resized to one pixel."""


def recognises(peek: Peek) -> bool:
    """Rows with conversations, or with lists of captions and instances."""
    row = peek.row
    context = isinstance(row.get("captions"), list) and isinstance(row.get("instances"), list)
    return peek.is_rows and ("conversations" in peek.keys or context)


def read(inputs: Inputs, report: Report) -> Iterator[Scene]:
    """One scene a row; :func:`record_of` gives a conversation's record back.

    A row with several images or none has no ``image``; its record names them.

    Args:
        inputs: JSON lists or JSON Lines.
        report: told of every row that is left out.

    Raises:
        UserError: a file is not readable or malformed.
    """
    pictures = Pictures(inputs.images)
    for path in inputs.paths:
        for index, (name, row) in enumerate(stream_rows(path, report)):
            who = row_name(f"{name}, id", row, "id") if "id" in row else name
            try:
                if "captions" in row and "conversations" not in row:
                    yield _context(row, pictures, inputs)
                else:
                    yield _conversation(row, index, pictures)
            except (RecordError, RowError) as error:
                report(Problem(who, error.reason, str(path)))


def record_of(scene: Scene) -> Record:
    """The record of a scene that was read from conversations.

    Raises:
        KeyError: if the scene came from elsewhere.
    """
    return parse_llava(dict(scene.source["record"]), 0)


def _conversation(row: Mapping[str, Any], index: int, pictures: Pictures) -> Scene:
    record = parse_llava(dict(row), index)
    for image in record.images:
        if not image.is_video:
            pictures.find([image.path])
    only = record.images[0] if len(record.images) == 1 and not record.images[0].is_video else None
    size = pictures.size(only, (0, 0)) if only else (0, 0)
    licence = row.get("license")
    source = {"format": "llava", "record": {"id": record.id, **row}}
    return Scene(
        id_of({"id": record.id}, "id"),
        only,
        *size,
        licence=licence if isinstance(licence, str) else "",
        source=source,
    )


def _context(row: Mapping[str, Any], pictures: Pictures, inputs: Inputs) -> Scene:
    scene_id = id_of(row, "id", "image")
    if not isinstance(row.get("image"), str):
        raise RowError("there is no image")
    image = pictures.find([row["image"]])
    size = pictures.size(image, (0, 0))
    objects = []
    for number, item in enumerate(rows_of(row.get("instances"), "instances")):
        try:
            if not isinstance(item, Mapping):
                raise RowError("it is not an object")
            # Printed with three digits, a box of the whole side may end a little beyond 1.
            shares, _ = box_of(item.get("bbox"), "xyxy", (1, 1))
            box = from_fractions(shares, size) if all(size) else shares
            objects.append(SceneObject(f"o{number}", name_of(item.get("category"), "category"), box))
        except RowError as error:
            raise RowError(f"instance number {number}: {error.reason}") from error
    captions = tuple(text_of(caption, "caption") for caption in rows_of(row["captions"], "captions"))
    return Scene(
        scene_id,
        image,
        *size,
        objects=tuple(objects),
        captions=captions,
        exhaustive_classes=inputs.exhaustive or frozenset(),
        source={"format": "llava"},
        frame=ORIGINAL if all(size) else _SHARES,
    )


READER = Reader("LLaVA conversations and contexts", recognises, read)
