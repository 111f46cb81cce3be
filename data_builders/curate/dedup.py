"""Rows that say the same about the same images as a row before them."""

from __future__ import annotations

import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from data_builders.curate import image_hash, image_match, minhash, text
from data_builders.curate.groups import NO_PAIRS, Pairs, representatives
from data_builders.curate.image_align import Picture
from data_builders.curate.images_of import Numbered, View, look_at, see
from data_builders.engines import Engine
from data_builders.problems import Problem, problem_of
from data_builders.rows import Row, iter_blocks
from mmtune.errors import RecordError, UserError

By = Literal["both", "image", "question"]
ImageRule = Literal["path", "exact", "perceptual", "window"]
TextRule = Literal["exact", "minhash"]


@dataclass(frozen=True, slots=True)
class DedupSettings:
    """When two rows are the same.

    Args:
        image_root: folder of the images; needed unless ``images`` is ``path``.
        by: what has to be alike: images and text, the images alone, or the text alone.
        images: ``path`` the same path; ``exact`` the same bytes; ``perceptual`` a perceptual hash within
            ``bits`` and no block of the picture that differs; ``window`` also a crop of up to 30 % a side.
        bits: Hamming distance of two alike 64-bit hashes, 0 to 11.
        texts: ``exact`` after normalising (case, punctuation, spaces); ``minhash`` nearly so.
        similarity: least Jaccard similarity of texts that ``minhash`` calls alike.
        whole: whether answers count too, and not the questions alone.
        match: when two pictures are the same, for ``perceptual`` and ``window``.
    """

    image_root: Path | None = None
    by: By = "both"
    images: ImageRule = "perceptual"
    bits: int = 7
    texts: TextRule = "exact"
    similarity: float = 0.8
    whole: bool = False
    match: image_match.MatchSettings = field(default_factory=image_match.MatchSettings)

    def __post_init__(self) -> None:
        if self.by != "question" and self.images != "path" and self.image_root is None:
            raise UserError("there is no image root to compare images in", "image_root", "give --image-root")
        if not 0 <= self.bits <= 11:
            raise UserError(f"the Hamming distance is {self.bits}", "--bits", "give 0 to 11")
        if not 0 < self.similarity <= 1:
            raise UserError(
                f"the similarity is {self.similarity}", "--similarity", "give more than 0, up to 1"
            )


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A row that says again what an earlier one says."""

    row: int
    id: str
    of_row: int
    """The first row that says it; it is kept."""
    of_id: str
    images: list[list[str]]
    """Its images that are not the same file, each beside the one that it is a copy of."""


@dataclass(frozen=True)
class Found:
    """All that a pass over a file found."""

    rows: int
    duplicates: list[Duplicate]
    problems: list[Problem]
    """Rows that cannot be compared; they are not kept."""

    @property
    def dropped(self) -> set[int]:
        """Numbers of the rows that are not kept."""
        return {one.row for one in self.duplicates} | {one.number for one in self.problems}


def find_duplicates(path: Path, settings: DedupSettings, engine: Engine) -> Found:
    """Go through a file once and say which rows to leave out.

    The first row of a group is kept. Memory grows by some 300 bytes a row, and less than 1 kB for each
    different text where ``minhash`` is asked for; the engine only sees blocks of rows and images.

    Args:
        path: LLaVA JSON or JSON Lines.
        settings: when two rows are the same.
        engine: where rows are read and images looked at.

    Raises:
        UserError: the file cannot be read, or is a malformed JSON list.
    """
    scan = _scan(path, settings, engine)
    image_reps, reasons = _image_representatives(scan.paths, settings, engine)
    text_reps = _text_representatives(scan, settings)
    names = list(scan.paths)
    first_of: dict[bytes, int] = {}
    ids: dict[int, str] = {}
    duplicates = []
    problems = list(scan.problems)
    for number, record_id, text_number, images in scan.rows():
        if broken := [reasons[image] for image in images if image in reasons]:
            problems.append(Problem(number, broken[0], id=record_id))
            continue
        of_images = [int(image_reps[image]) for image in images]
        if settings.by == "image" and not images:
            continue
        parts = [] if settings.by == "question" else of_images
        said = [] if settings.by == "image" else [int(text_reps[text_number])]
        key = text.key(f"{said} {parts}")
        first = first_of.setdefault(key, number)
        if first == number:
            ids[number] = record_id
            continue
        copies = [
            [names[image], names[of]] for image, of in zip(images, of_images, strict=True) if image != of
        ]
        duplicates.append(Duplicate(number, record_id, first, ids[first], copies))
    problems.sort(key=lambda problem: problem.number)
    return Found(scan.count, duplicates, problems)


class _Scan:
    """What is kept of each row: its id, the number of its text, the numbers of its images."""

    def __init__(self) -> None:
        self.paths = Numbered()
        self.problems: list[Problem] = []
        self.count = 0
        self.texts: dict[bytes, int] = {}
        self.signatures = bytearray()
        self._ids: list[str] = []
        self._rows = array.array("q")
        self._text_numbers = array.array("q")
        self._images = array.array("q")
        self._image_ends = array.array("q")

    def add(self, number: int, record_id: str, key: bytes, signature: bytes, paths: Sequence[str]) -> None:
        """Keep one row."""
        known = len(self.texts)
        text_number = self.texts.setdefault(key, known)
        if text_number == known:
            self.signatures += signature
        self._ids.append(record_id)
        self._rows.append(number)
        self._text_numbers.append(text_number)
        self._images.extend(self.paths.number(path) for path in paths)
        self._image_ends.append(len(self._images))

    def rows(self) -> Iterator[tuple[int, str, int, list[int]]]:
        """Row, id, text and images of each row that could be read, in order."""
        start = 0
        for place, record_id in enumerate(self._ids):
            end = self._image_ends[place]
            yield self._rows[place], record_id, self._text_numbers[place], self._images[start:end].tolist()
            start = end


def _scan(path: Path, settings: DedupSettings, engine: Engine) -> _Scan:
    scan = _Scan()
    for block in engine.map(partial(_read_block, settings=settings), iter_blocks(path)):
        for found in block:
            scan.count += 1
            if isinstance(found, Problem):
                scan.problems.append(found)
            else:
                scan.add(*found)
    return scan


_Read = tuple[int, str, bytes, bytes, list[str]]


def _read_block(block: list[Row], settings: DedupSettings) -> list[_Read | Problem]:
    return [_read(row, settings) for row in block]


def _read(row: Row, settings: DedupSettings) -> _Read | Problem:
    try:
        record = row.record()
    except RecordError as error:
        return problem_of(error, row.number)
    if settings.by != "question" and settings.images != "path":
        for image in record.images:
            if image.is_video:
                return Problem(row.number, f"videos are only compared by path ({image.path})", id=record.id)
    said = text.conversation_of(record) if settings.whole else "\n".join(text.questions_of(record))
    wanted = settings.texts == "minhash" and settings.by != "image"
    signature = _signature(said) if wanted else b""
    return row.number, record.id, text.key(said), signature, [image.path for image in record.images]


@lru_cache(65536)
def _signature(said: str) -> bytes:
    return minhash.signature(said).tobytes()


def _text_representatives(scan: _Scan, settings: DedupSettings) -> NDArray[np.int64]:
    count = len(scan.texts)
    if settings.texts == "exact" or settings.by == "image":
        return np.arange(count, dtype=np.int64)
    signatures = np.frombuffer(scan.signatures, dtype=np.uint32).reshape(count, minhash.HASHES)
    return representatives(count, minhash.near_pairs(signatures, settings.similarity))


def _image_representatives(
    paths: Numbered, settings: DedupSettings, engine: Engine
) -> tuple[NDArray[np.int64], dict[int, str]]:
    """For each image the first that it is a copy of, and why the unusable ones are that."""
    count = len(paths)
    if settings.by == "question" or settings.images == "path" or settings.image_root is None:
        return np.arange(count, dtype=np.int64), {}
    views: dict[ImageRule, View] = {"exact": "bytes", "perceptual": "hash", "window": "picture"}
    reasons: dict[int, str] = {}
    usable: list[int] = []
    values: list[bytes | int | Picture] = []
    seen = look_at(settings.image_root, paths, views[settings.images], engine)
    for index, (value, reason) in enumerate(seen):
        if value is None:
            reasons[index] = reason or "the image cannot be used"
            continue
        usable.append(index)
        values.append(value)
    if settings.images == "exact":
        first = _equal(values)  # type: ignore[arg-type]
    elif settings.images == "perceptual":
        names = list(paths)
        first = _alike(values, [names[index] for index in usable], settings)  # type: ignore[arg-type]
    else:
        first = representatives(len(values), _window_pairs(values, settings))  # type: ignore[arg-type]
    places = np.array(usable, dtype=np.int64)
    of = np.arange(count, dtype=np.int64)
    of[places] = places[first]
    return of, reasons


def _equal(values: Sequence[bytes]) -> NDArray[np.int64]:
    first: dict[bytes, int] = {}
    return np.array([first.setdefault(value, index) for index, value in enumerate(values)], dtype=np.int64)


def _alike(hashes: Sequence[int], paths: Sequence[str], settings: DedupSettings) -> NDArray[np.int64]:
    """The first image with a near hash whose picture also agrees block by block.

    The hash alone takes two drawings of different things on one ground for the same.
    """
    assert settings.image_root is not None
    root = settings.image_root

    @lru_cache(1024)
    def picture(index: int) -> Picture:
        value = see(root, paths[index], "picture").value
        assert isinstance(value, Picture)
        return value

    index = image_hash.HashIndex(settings.bits)
    first = np.arange(len(hashes), dtype=np.int64)
    for place, value in enumerate(hashes):
        for earlier in index.near(value):
            if image_match.same(picture(earlier), picture(place), settings.match):
                first[place] = earlier
                break
        else:
            index.add(value, place)
    return first


def _window_pairs(pictures: Sequence[Picture], settings: DedupSettings) -> Pairs:
    """Pairs of which either is the other or a crop of it."""
    if not pictures:
        return NO_PAIRS
    index = image_match.WindowIndex(pictures, settings.match)
    pairs = {
        (min(place, match.index), max(place, match.index))
        for place, picture in enumerate(pictures)
        for match in index.find_all(picture)
        if match.index != place
    }
    return np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)
