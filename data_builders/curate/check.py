"""Whether each row can be trained on: its row number, its id and the reason where it cannot."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from data_builders.engines import Engine
from data_builders.image_paths import path_reason
from data_builders.problems import Problem, problem_of
from data_builders.rows import BLOCK_ROWS, MAX_ROW_BYTES, Row, iter_blocks
from mmtune.errors import RecordError, UserError
from mmtune.records import ImageRef

_IMAGES_REMEMBERED = 65536
"""Images whose verdict a worker keeps: rows about one image mostly stand close together."""


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """What is looked at.

    Args:
        image_root: folder of the images; None looks at their paths only.
        decode: whether images are decoded to their last pixel and not only opened.
        unique_ids: whether a row whose id stood before is refused and not only told.
        max_row_bytes: longest row read.
    """

    image_root: Path | None = None
    decode: bool = False
    unique_ids: bool = False
    max_row_bytes: int = MAX_ROW_BYTES


@dataclass(frozen=True, slots=True)
class Checked:
    """The verdict on one row."""

    row: Row
    problem: Problem | None
    """Why it is refused."""
    warning: Problem | None
    """What is strange about it; it is not refused for that."""
    images: int
    repeated: bool = False
    """Whether its id is that of an earlier row that is not refused."""


def check_rows(path: Path, settings: CheckSettings, engine: Engine) -> Iterator[Checked]:
    """Look at every row of a file.

    Memory is bounded by the longest row allowed, but for 16 bytes an id that tell repeated ids.

    Args:
        path: LLaVA JSON or JSON Lines.
        settings: what is looked at.
        engine: where it is done.

    Raises:
        UserError: the file cannot be read, or is a malformed JSON list.
    """
    _image_reason.cache_clear()  # An image may have been mended since the last look at it.
    first_of: dict[bytes, int] = {}
    blocks = iter_blocks(path, BLOCK_ROWS, settings.max_row_bytes)
    for block in engine.map(partial(_check_block, settings=settings), blocks):
        for row, record_id, problem, images in block:
            warning = None
            if problem is None:
                key = hashlib.blake2b(record_id.encode("utf-8", "surrogatepass"), digest_size=16).digest()
                first = first_of.setdefault(key, row.number)
                if first != row.number:
                    warning = Problem(row.number, f"row {first} has the same id", id=record_id)
            repeated = warning is not None
            if settings.unique_ids and warning is not None:
                problem, warning = warning, None
            yield Checked(row, problem, warning, images, repeated)


def _check_block(block: list[Row], settings: CheckSettings) -> list[tuple[Row, str, Problem | None, int]]:
    return [_check(row, settings) for row in block]


def _check(row: Row, settings: CheckSettings) -> tuple[Row, str, Problem | None, int]:
    try:
        record = row.record()
    except RecordError as error:
        return row, error.record_id, problem_of(error, row.number), 0
    for image in record.images:
        reason = _image_reason(settings.image_root, image, settings.decode)
        if reason is not None:
            return row, record.id, Problem(row.number, reason, id=record.id), 0
    return row, record.id, None, len(record.images)


@lru_cache(_IMAGES_REMEMBERED)
def _image_reason(root: Path | None, image: ImageRef, decode: bool) -> str | None:
    """Why an image cannot be used, or None."""
    if root is None:
        return path_reason(image.path)
    from mmtune.images.loading import image_size, load_image

    try:
        if decode:
            load_image(root, image)
        else:
            image_size(root, image)
    except UserError as error:
        return problem_of(error, 0).reason
    return None
