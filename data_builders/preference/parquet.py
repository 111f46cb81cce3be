"""Parquet files whose images are inside, as the Hub's data sets have them (extra ``parquet``)."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from mmtune.errors import UserError
from mmtune.images.decoding import resolve_image

_GROUP = 500
"""Rows that are written together; with their images they are in memory."""
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UserError("parquet needs pyarrow", fix="pip install 'mmtune[parquet]'") from error
    return pyarrow


def embedded(row: Mapping[str, Any], keys: Sequence[str], image_root: Path) -> dict[str, Any]:
    """The row with images' bytes beside their paths.

    Raises:
        ImageError: if an image is not in the root.
    """
    done = dict(row)
    for key in keys:
        value = row[key]
        done[key] = (
            [_image(path, image_root) for path in value]
            if isinstance(value, list)
            else _image(value, image_root)
        )
    return done


def _image(path: str, image_root: Path) -> dict[str, Any]:
    return {"bytes": resolve_image(image_root, path).read_bytes(), "path": path}


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]], keys: Sequence[str]) -> int:
    """Write rows, whole or not at all; images are columns that ``datasets`` decodes.

    Args:
        path: of the file.
        rows: of one format, with ``embedded`` images.
        keys: columns of images.

    Returns:
        The number of rows written.

    Raises:
        UserError: if pyarrow is missing or the file cannot be written.
    """
    arrow = _pyarrow()
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    stream, count = iter(rows), 0
    writer: Any = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        schema = None
        while group := list(islice(stream, _GROUP)):
            if schema is None:
                schema = _schema(arrow, group[0], keys)
                writer = arrow.parquet.ParquetWriter(partial, schema)
            writer.write_table(arrow.Table.from_pylist(group, schema=schema))
            count += len(group)
        if writer is not None:
            writer.close()
            writer = None
            partial.replace(path)
    except OSError as error:
        raise UserError(
            f"Cannot write the file: {error.strerror or error}", str(path), "check its folder"
        ) from error
    finally:
        if writer is not None:
            writer.close()
        partial.unlink(missing_ok=True)
    return count


def _schema(arrow: Any, row: Mapping[str, Any], keys: Sequence[str]) -> Any:
    """Columns by the first row's kinds, and the features that ``datasets`` reads from the metadata."""
    image = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
    part = arrow.struct([("type", arrow.string()), ("text", arrow.string())])
    message = arrow.struct([("role", arrow.string()), ("content", arrow.list_(part))])
    text = {"dtype": "string", "_type": "Value"}
    messages = [{"role": text, "content": [{"type": text, "text": text}]}]
    fields: list[Any] = []
    features: dict[str, Any] = {}
    for name, value in row.items():
        many = isinstance(value, list)
        if name in keys:
            features[name] = [{"_type": "Image"}] if many else {"_type": "Image"}
            fields.append((name, arrow.list_(image) if many else image))
        else:
            features[name] = messages if many else text
            fields.append((name, arrow.list_(message) if many else arrow.string()))
    return arrow.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": features}})})


def read_rows(path: Path, keys: Sequence[str], unpack: Path | None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows of a file, with images written out where a folder is given.

    Args:
        path: of the file.
        keys: columns of images.
        unpack: folder for the images; their names are made of their content. None leaves them.

    Raises:
        UserError: if pyarrow is missing or the file is no parquet.
    """
    arrow = _pyarrow()
    number = 0
    try:
        with arrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(_GROUP // 10):
                for row in batch.to_pylist():
                    for key in keys:
                        row[key] = _unpacked(row.get(key), unpack)
                    yield number, row
                    number += 1
    except (OSError, arrow.ArrowException) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise UserError(f"the parquet file cannot be read: {reason}", str(path), "fetch it again") from error


def _unpacked(value: Any, folder: Path | None) -> Any:
    if isinstance(value, list):
        return [_unpacked(one, folder) for one in value]
    if not isinstance(value, dict):
        return value
    content = value.get("bytes")
    if folder is None or not isinstance(content, bytes):
        return {"path": value.get("path")}
    suffix = PurePosixPath(str(value.get("path") or "")).suffix.lower()
    name = hashlib.sha256(content).hexdigest()[:24] + (suffix if suffix in _SUFFIXES else ".jpg")
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / name).is_file():
        partial = folder / f".{name}.{os.getpid()}.partial"
        partial.write_bytes(content)
        partial.replace(folder / name)
    return {"path": name, "unpacked": True}
