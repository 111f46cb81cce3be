"""Images that stand in a benchmark's own table (base64 in a TSV or in rows, bytes in parquet): written once.

The files go to the cache of the user (``XDG_CACHE_HOME``, by default ``~/.cache``), under a name that changes
with the table, and stay for later runs. A folder is there whole or not at all.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import logging
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from eval.tasks.base import Task
from eval.tasks.tables import parquet_files
from mmtune.errors import UserError

log = logging.getLogger(__name__)

FILE_NAME = re.compile(r"\.(?:jpe?g|png|webp|gif|bmp)$", re.IGNORECASE)
"""What an image cell ends with that names a file instead of holding it."""
_TABLES = {".tsv": "\t", ".csv": ","}
_LINES = (".jsonl",)
_ROWS_A_TIME = 16
_LONGEST_REFERENCE = 64
"""Letters of an image cell that names another row; an image in base64 is longer."""
_OWN_FOLDER = "give a folder of the images with images=FOLDER"


class TableOfImages(Task):
    """A benchmark whose table may hold its images.

    Without ``images=FOLDER`` they are taken from there; with it the folder has them.
    """

    image_columns: ClassVar[tuple[str, ...]] = ("image",)

    def image_name(self, row: Mapping[str, Any], number: int, column: str) -> str:
        """The path that the image of a row goes by, relative to the image folder.

        Args:
            row: of the table; its image columns may be left out.
            number: of the row, from 0.
            column: one of ``image_columns``.
        """
        raise NotImplementedError

    def embedded(self) -> Iterator[tuple[str, str, bytes | str]]:
        """Name, row index and content of every image in the table: its bytes, or the index of the row whose
        image it is.

        Raises:
            UserError: for a table that cannot be read, or an image that is not base64.
        """
        number = 0
        for path in _files(self.annotations):
            for row in _rows(path):
                for column in self.image_columns:
                    content = _content(row.get(column), path, number)
                    if content:
                        yield self.image_name(row, number, column), str(row.get("index", number)), content
                number += 1


def unpack_images(task: Task) -> None:
    """Write the images of a task's table to the cache, where they are not there yet, and let the task read
    them from there.

    Nothing happens for a task that was given a folder, or whose table holds no images.

    Raises:
        UserError: if the table cannot be read or the images cannot be written.
    """
    if not isinstance(task, TableOfImages) or task.config.images or not _holds_images(task):
        return
    folder = _cached(task.annotations)
    if not folder.is_dir():
        try:
            if not _fill(folder, task):
                return
        except OSError as error:
            raise UserError(
                f"The images of {task.name} cannot be written: {error.strerror or error}",
                str(folder),
                _OWN_FOLDER,
            ) from error
    task.use_images(folder)


def _fill(folder: Path, task: TableOfImages) -> int:
    """Make the folder with all images in it, or none where the table has no image after all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        written = _write(part, task)
        if not written:
            return 0
        try:
            part.rename(folder)
        except OSError:
            if not folder.is_dir():  # another process has been faster
                raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
    log.info("%s: %d images of the table are in %s", task.name, written, folder)
    return written


def _write(folder: Path, task: TableOfImages) -> int:
    """Write all images, and tell how many rows have one; what is another row's is linked in the end."""
    names: dict[str, str] = {}
    others: list[tuple[str, str]] = []
    for name, index, content in task.embedded():
        path = _inside(folder, name, task)
        names.setdefault(index, name)
        if isinstance(content, str):
            others.append((name, content))
        elif not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    for name, index in others:
        source, path = folder / names.get(index, ""), folder / name
        if not source.is_file():
            raise UserError(
                f"The image {name} is said to be that of row {index}, which has none", str(task.annotations)
            )
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(source, path)
    return len(names)


def _inside(folder: Path, name: str, task: TableOfImages) -> Path:
    pure = PurePosixPath(name)
    if not name or pure.is_absolute() or ".." in pure.parts or "\\" in name or "\0" in name:
        raise UserError(
            f"The image name {name!r} leads out of its folder",
            str(task.annotations),
            "check that it is the benchmark's own file",
        )
    return folder / name


def _holds_images(task: TableOfImages) -> bool:
    files = _files(task.annotations)
    return bool(files) and bool(set(task.image_columns) & set(_columns(files[0])))


def _files(path: Path) -> Sequence[Path]:
    if path.is_dir() or path.suffix == ".parquet":
        return parquet_files(path)
    return [path] if path.suffix.lower() in (*_TABLES, *_LINES) else []


def _columns(path: Path) -> list[str]:
    if path.suffix == ".parquet":
        from pyarrow import parquet

        return list(parquet.read_schema(path).names)
    if path.suffix.lower() in _LINES:
        return list(next(iter(_rows(path)), {}))
    with path.open(encoding="utf-8-sig", newline="") as file:
        return next(csv.reader(file, delimiter=_TABLES[path.suffix.lower()]), [])


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    """Rows with their images, a few in memory at a time."""
    if path.suffix == ".parquet":
        from pyarrow import parquet

        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(_ROWS_A_TIME):
                yield from batch.to_pylist()
        return
    if path.suffix.lower() in _LINES:
        with path.open(encoding="utf-8-sig") as file:
            for line in file:
                row = json.loads(line) if line.strip() else None
                if isinstance(row, dict):  # a file of one list is not one of lines, and holds no images
                    yield row
        return
    csv.field_size_limit(sys.maxsize)
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from csv.DictReader(file, delimiter=_TABLES[path.suffix.lower()])


def _content(value: Any, path: Path, number: int) -> bytes | str | None:
    """An image's bytes, the index of the row that has it, or None where there is none."""
    if isinstance(value, Mapping):  # as the Hub's data sets keep images
        value = value.get("bytes")
    if isinstance(value, list):
        value = value[0] if value else None
    if value is None or isinstance(value, bytes):
        return value
    text = str(value).strip()
    if FILE_NAME.search(text):
        return None
    if len(text) <= _LONGEST_REFERENCE and text.isdigit():
        return text
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise UserError(
            f"The image of row {number + 1} is not base64", str(path), "fetch the file again"
        ) from error


def _cached(path: Path) -> Path:
    """Where the images of a table are: its path, size and time make the name."""
    digest = hashlib.sha256(str(path.resolve()).encode())
    for file in _files(path):
        found = file.stat()
        digest.update(f"\0{file.name} {found.st_size} {found.st_mtime_ns}".encode())
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "mmtune" / "benchmark-images" / f"{path.stem}-{digest.hexdigest()[:16]}"
