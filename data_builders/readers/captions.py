"""Plain caption files: rows that name an image and say something about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from data_builders.problems import Problem, Report
from data_builders.readers.fields import RowError, first_of, id_of, row_name, size_of, text_of
from data_builders.readers.inputs import Inputs, Reader
from data_builders.readers.peek import Peek
from data_builders.readers.pictures import Pictures
from data_builders.readers.rows import PARQUET, TABLES, delimiter_of, stream_rows
from data_builders.readers.unpacking import Unpacked
from data_builders.scenes import Scene
from mmtune.errors import UserError

IMAGE = ("image", "file_name", "filename", "filepath", "image_path", "image_name", "img", "path")
CAPTION = ("caption", "captions", "text", "title", "comment", "TEXT")
_KEPT = ("url", "license", "sha256", "similarity", "key")


def recognises(peek: Peek) -> bool:
    """Rows or a table with a column for the image and one for the caption; img2dataset's parquet."""
    if peek.names:
        return False
    if peek.suffix == PARQUET:
        return True
    if peek.suffix in TABLES and peek.line:
        columns = {name.strip().strip('"') for name in peek.line.split(delimiter_of(peek.line))}
        return bool(columns & set(IMAGE)) and bool(columns & set(CAPTION))
    row = peek.row
    captions = first_of(row, *CAPTION)
    plain = isinstance(captions, str) or (isinstance(captions, list) and "instances" not in row)
    return peek.is_rows and plain and isinstance(first_of(row, *IMAGE), str)


def read(
    inputs: Inputs,
    report: Report,
    *,
    image_column: str = "",
    caption_column: str = "",
    unpack: Path | None = None,
) -> Iterator[Scene]:
    """One scene an image; rows of one image that follow each other are its captions.

    Args:
        inputs: JSON, JSON Lines, CSV, TSV or parquet files; tables need a header.
        report: told of every row that is left out, and of every caption that is empty.
        image_column: the column of the image's path, where it is none of ``IMAGE``.
        caption_column: the column of the caption, where it is none of ``CAPTION``.
        unpack: folder to write images to that are inside a parquet file; paths are then relative to it.

    Raises:
        UserError: a file is not readable, or none of its columns is an image's or a caption's.
    """
    columns = ((image_column,) if image_column else IMAGE, (caption_column,) if caption_column else CAPTION)
    for path in inputs.paths:
        unpacked = Unpacked(unpack, path.stem)
        pictures = Pictures(
            unpack if unpack is not None and path.suffix.lower() == PARQUET else inputs.images
        )
        waiting: Scene | None = None
        is_first = True
        for name, row in stream_rows(path, report):
            if is_first:
                _demand_columns(row, columns, path)
                is_first = False
            who = row_name(f"{name},", row, "id", "key") if first_of(row, "id", "key") else name
            try:
                scene = _scene(row, columns, path.stem, pictures, unpacked)
            except RowError as error:
                report(Problem(who, error.reason, str(path)))
                continue
            if waiting is not None and waiting.image == scene.image and waiting.id == scene.id:
                waiting = _joined(waiting, scene)
                continue
            if waiting is not None:
                yield waiting
            waiting = scene
        if waiting is not None:
            yield waiting


def _scene(
    row: Mapping[str, Any],
    columns: tuple[tuple[str, ...], tuple[str, ...]],
    shard: str,
    pictures: Pictures,
    unpacked: Unpacked,
) -> Scene:
    status = row.get("status")
    if isinstance(status, str) and status != "success":
        raise RowError(f"its image was not downloaded: {row.get('error_message') or status}")
    captions = first_of(row, *columns[1])
    found = tuple(
        text_of(item, "caption") for item in (captions if isinstance(captions, list) else [captions])
    )
    if not found:
        raise RowError("there is no caption")
    image = first_of(row, *columns[0])
    key = row.get("key")
    if isinstance(image, Mapping):
        names = [unpacked.write(image.get("bytes"), str(image.get("path") or row.get("id") or key or ""))]
    elif isinstance(image, str):
        names = [image]
    elif isinstance(key, str):
        # img2dataset's own parquet: the images are in a folder of the shard's name.
        names = [f"{shard}/{key}.jpg", f"{key}.jpg"]
    else:
        raise RowError("there is no image")
    ref = pictures.find(names)
    scene_id = id_of(row, "id", "key") if first_of(row, "id", "key") is not None else ref.path
    source: dict[str, Any] = {"format": "captions"}
    source |= {name: row[name] for name in _KEPT if isinstance(row.get(name), str | int | float)}
    licence = row.get("license")
    size = pictures.size(ref, size_of(row))
    return Scene(
        scene_id,
        ref,
        *size,
        captions=found,
        licence=licence if isinstance(licence, str) else "",
        source=source,
    )


def _joined(one: Scene, other: Scene) -> Scene:
    from dataclasses import replace

    return replace(one, captions=one.captions + other.captions)


def _demand_columns(
    row: Mapping[str, Any], columns: tuple[tuple[str, ...], tuple[str, ...]], path: Path
) -> None:
    """Refuse a whole table in one sentence where each of its rows would be refused for the same reason."""
    for what, names in zip(("image", "caption"), columns, strict=True):
        if not any(name in row for name in names) and not (what == "image" and "key" in row):
            raise UserError(
                f"no column is the {what}'s: there are {', '.join(map(str, row))}",
                str(path),
                f"call it {names[0]!r}, or set {what}_column",
            )


READER = Reader("captions in JSON, JSONL, CSV, TSV, parquet", recognises, read)
