"""Which rows each shard holds: decided from the rows and the sizes of their images alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from data_builders.licences import UNKNOWN, licence_class
from data_builders.problems import Problem, problem_of
from data_builders.rows import Row, iter_rows, to_line
from data_builders.shards.manifest import FORMAT_VERSION
from mmtune.errors import RecordError, UserError
from mmtune.records import ImageRef, Record


@dataclass(frozen=True, slots=True)
class ShardSettings:
    """How records are cut into shards.

    Args:
        image_root: folder of the images; None for rows without.
        records: records of a shard at most.
        bytes: bytes of a shard's rows and images at which it is full.
        require_licence: whether a record of unknown licence stops the build.
        licences: further names of licences and what each stands for; see ``licences.class_of``.
    """

    image_root: Path | None = None
    records: int = 10_000
    bytes: int = 1_000_000_000
    require_licence: bool = False
    licences: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 1 <= self.records <= 100_000:
            raise UserError(f"a shard of {self.records} records", "--records", "give 1 to 100,000")
        if self.bytes < 1:
            raise UserError(f"a shard of {self.bytes} bytes", "--bytes", "give at least 1")


@dataclass(frozen=True, slots=True)
class Sample:
    row: int
    record_id: str
    text: bytes
    images: tuple[str, ...]
    """Resolved files."""
    stamps: tuple[tuple[int, int], ...]
    """Size and time of each."""


@dataclass(frozen=True, slots=True)
class Plan:
    number: int
    samples: tuple[Sample, ...]

    def digest(self) -> str:
        """Changes where a row, an image's size or an image's time does."""
        found = hashlib.sha256(str(FORMAT_VERSION).encode())
        for sample in self.samples:
            found.update(repr((sample.row, sample.images, sample.stamps)).encode())
            found.update(sample.text)
        return found.hexdigest()


def plans(path: Path, settings: ShardSettings, problems: list[Problem]) -> Iterator[Plan]:
    """Which rows each shard holds; rows that cannot be used are added to ``problems``."""
    number, size = 0, 0
    samples: list[Sample] = []
    for row in iter_rows(path):
        name = "?"
        try:
            record = row.record()
            name = record.id
            sample = _sample(row, record, settings.image_root)
        except UserError as error:
            problems.append(problem_of(error, row.number, name))
            continue
        if settings.require_licence and licence_class(record.meta, settings.licences) == UNKNOWN:
            raise UserError(
                "the record's licence is unknown",
                f"row {row.number}, record {record.id!r}",
                "state it in its 'licence', name it with --licences, or leave the record out",
            )
        samples.append(sample)
        size += len(sample.text) + sum(stamp[0] for stamp in sample.stamps)
        if len(samples) == settings.records or size >= settings.bytes:
            yield Plan(number, tuple(samples))
            number, size, samples = number + 1, 0, []
    if samples:
        yield Plan(number, tuple(samples))


def _sample(row: Row, record: Record, root: Path | None) -> Sample:
    files = []
    stamps = []
    for image in record.images:
        file = _file_of(record, image, root)
        status = file.stat()
        files.append(str(file))
        stamps.append((status.st_size, status.st_mtime_ns))
    text = row.text
    if b"\n" in text or b"\r" in text:
        text = to_line(row.value())
    return Sample(row.number, record.id, text, tuple(files), tuple(stamps))


def _file_of(record: Record, image: ImageRef, root: Path | None) -> Path:
    from mmtune.images.decoding import resolve_image

    if root is None:
        raise RecordError("the record has an image", record.id, fix="give --image-root")
    if image.is_video:
        raise RecordError(f"videos do not go into shards ({image.path})", record.id)
    return resolve_image(root, image)
