"""Rows that give a benchmark away: the same image and the same question, with the list of them."""

from __future__ import annotations

import hashlib
import pickle
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from data_builders.curate import image_match, minhash, text
from data_builders.curate.image_align import Picture
from data_builders.curate.images_of import Numbered, look_at, see
from data_builders.engines import Engine
from data_builders.problems import Problem, problem_of
from data_builders.rows import Row, iter_blocks
from mmtune.errors import RecordError, UserError

Rule = Literal["both", "image", "question", "either"]
Kind = Literal["image and question", "image", "question"]

RULES: dict[Rule, tuple[Kind, ...]] = {
    "both": ("image and question",),
    "image": ("image and question", "image"),
    "question": ("image and question", "question"),
    "either": ("image and question", "image", "question"),
}
"""Which kinds of match drop a row under each rule."""
_BLOCK_IMAGES = 32


@dataclass(frozen=True, slots=True)
class BenchmarkItem:
    """One question of a benchmark."""

    benchmark: str
    id: str
    image: str | None
    """Path relative to ``root``; None for a question without an image."""
    root: Path
    question: str


@dataclass(frozen=True, slots=True)
class DecontaminationSettings:
    """What counts as a leak.

    Args:
        image_root: folder of the rows' images.
        rule: which kinds of match drop a row.
        similarity: least Jaccard similarity of two questions; 1 takes those that are the same but for case,
            punctuation and the protocol's lines.
        match: when an image is a benchmark's image, or a crop of it.
    """

    image_root: Path
    rule: Rule = "both"
    similarity: float = 1.0
    match: image_match.MatchSettings = field(default_factory=image_match.MatchSettings)

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise UserError(f"unknown rule {self.rule!r}", "--rule", f"use one of {', '.join(RULES)}")
        if not 0 < self.similarity <= 1:
            raise UserError(
                f"the similarity is {self.similarity}", "--similarity", "give more than 0, up to 1"
            )


@dataclass(frozen=True, slots=True)
class Leak:
    """A row and the item of a benchmark that it matches."""

    row: int
    id: str
    kind: Kind
    dropped: bool
    """Whether the rule drops the row for this."""
    benchmark: str
    item: str
    image: str | None
    benchmark_image: str | None
    difference: float | None
    """Difference of the mean colours of the worst block, of 255; None where no image matched."""
    window: list[float] | None
    """What the row's image shows of the benchmark's: left, top, right, bottom as shares of its sides."""
    turn: int | None
    """Which turn of the row asks the question, counted from 0; None where none does."""
    benchmark_question: str


@dataclass(frozen=True)
class Contamination:
    """All that was found."""

    rows: int
    leaks: list[Leak]
    problems: list[Problem]
    """Rows that cannot be compared; they are not kept."""
    benchmark_problems: list[Problem]
    """Images of benchmarks that cannot be read: only the questions about them were compared."""
    benchmark_images: dict[str, int]
    """How many images each benchmark has."""

    @property
    def dropped(self) -> set[int]:
        """Numbers of the rows that are not kept."""
        return {leak.row for leak in self.leaks if leak.dropped} | {one.number for one in self.problems}


def find_leaks(
    path: Path, items: Sequence[BenchmarkItem], settings: DecontaminationSettings, engine: Engine
) -> Contamination:
    """Compare every row with every item of the benchmarks.

    A row of several turns or images matches where any of its turns asks the item's question, and any of its
    images is the item's image. An item without an image matches by its question alone. One that asks nothing
    in words, as of captions, matches a turn that does not either and shows its image.

    Args:
        path: LLaVA JSON or JSON Lines.
        items: of all benchmarks.
        settings: what counts as a leak.
        engine: where rows are read and images compared.

    Raises:
        UserError: there are no items, the file cannot be read, or of a benchmark not one image can be and
            the rule needs them.
    """
    if not items:
        raise UserError("the benchmarks hold no items", fix="give at least one benchmark file")
    with tempfile.TemporaryDirectory() as name:
        return _compared(path, items, settings, engine, Path(name))


def _compared(
    path: Path,
    items: Sequence[BenchmarkItem],
    settings: DecontaminationSettings,
    engine: Engine,
    folder: Path,
) -> Contamination:
    """As ``find_leaks``; ``folder`` takes what every worker needs once and not with every block."""
    pictured = _benchmark_pictures(items, engine)
    if settings.rule != "question":
        _refuse_unseen(pictured)
    paths = Numbered()
    rows: list[tuple[int, str, list[int], list[tuple[int, int]], int | None]] = []
    problems: list[Problem] = []
    questions = _kept(folder / "questions", _Questions(items, settings.similarity))
    for block in engine.map(partial(_read_block, questions=questions), iter_blocks(path)):
        for found in block:
            if isinstance(found, Problem):
                problems.append(found)
            else:
                number, record_id, shown_paths, turns, blank = found
                rows.append((number, record_id, [paths.number(one) for one in shown_paths], turns, blank))
    count = len(rows) + len(problems)
    pictures = _kept(folder / "pictures", pictured.pictures)
    seen, reasons = _find_images(paths, pictures, settings, engine)
    by_picture: dict[int, list[int]] = {}
    for place, picture in pictured.of_item.items():
        by_picture.setdefault(picture, []).append(place)
    names = list(paths)
    leaks: list[Leak] = []
    wordless = {place for place, item in enumerate(items) if not text.question_of(item.question)}
    for number, record_id, images, turns, blank in rows:
        if broken := [reasons[image] for image in images if image in reasons]:
            problems.append(Problem(number, broken[0], id=record_id))
            continue
        turn_of = dict(reversed(turns))
        image_of: dict[int, tuple[int, image_match.Match]] = {}
        for image in images:
            for match in seen.get(image, ()):
                for place in by_picture.get(match.index, ()):
                    image_of.setdefault(place, (image, match))
        if blank is not None:
            # No words are no question that two could share, unless it is about the same image.
            turn_of.update(dict.fromkeys(wordless & image_of.keys(), blank))
        for place in sorted(turn_of.keys() | image_of.keys()):
            item = items[place]
            kind = _kind(place in turn_of, place in image_of, item)
            shown = image_of.get(place)
            leaks.append(
                Leak(
                    row=number,
                    id=record_id,
                    kind=kind,
                    dropped=kind in RULES[settings.rule],
                    benchmark=item.benchmark,
                    item=item.id,
                    image=None if shown is None else names[shown[0]],
                    benchmark_image=item.image,
                    difference=None if shown is None else shown[1].difference,
                    window=None if shown is None else list(shown[1].window),
                    turn=turn_of.get(place),
                    benchmark_question=item.question,
                )
            )
    problems.sort(key=lambda problem: problem.number)
    sizes = {name: len(shown_in) for name, shown_in in pictured.images.items()}
    return Contamination(count, leaks, problems, pictured.problems(), sizes)


def _kind(by_question: bool, by_image: bool, item: BenchmarkItem) -> Kind:
    if by_question and (by_image or item.image is None):
        return "image and question"
    return "image" if by_image else "question"


class _Questions:
    """Which items ask a question, exactly or nearly."""

    def __init__(self, items: Sequence[BenchmarkItem], similarity: float) -> None:
        self._similarity = similarity
        self._places: dict[str, list[int]] = {}
        for place, item in enumerate(items):
            asked = text.question_of(item.question)
            if asked:
                self._places.setdefault(asked, []).append(place)
        self._texts = list(self._places)
        near = similarity < 1 and self._texts
        self._signatures = np.stack([minhash.signature(asked) for asked in self._texts]) if near else None

    def find(self, asked: str) -> list[int]:
        """Places of the items that ask this normalised question."""
        if not asked:
            return []
        if self._signatures is None:
            return self._places.get(asked, [])
        alike = (self._signatures == minhash.signature(asked)).mean(axis=1) >= self._similarity
        near = {self._texts[index] for index in np.flatnonzero(alike)} | {asked}
        return sorted(place for one in near for place in self._places.get(one, ()))


_Read = tuple[int, str, list[str], list[tuple[int, int]], int | None]


def _read_block(block: list[Row], questions: str) -> list[_Read | Problem]:
    asked: _Questions = _given(questions)
    return [_read(row, asked) for row in block]


def _kept(file: Path, value: Any) -> str:
    """Write a value for the workers; gives the file's name."""
    file.write_bytes(pickle.dumps(value))
    return str(file)


@lru_cache(1)
def _given(file: str) -> Any:
    return pickle.loads(Path(file).read_bytes())


def _read(row: Row, asked: _Questions) -> _Read | Problem:
    """Row, id, images, (item, turn) of each question that it shares with a benchmark, its wordless turn."""
    try:
        record = row.record()
    except RecordError as error:
        return problem_of(error, row.number)
    said = [
        (number, text.question_of(turn.text))
        for number, turn in enumerate(record.turns)
        if turn.role == "user"
    ]
    turns = [(place, number) for number, question in said for place in asked.find(question)]
    blank = next((number for number, question in said if not question), None)
    return row.number, record.id, [image.path for image in record.images if not image.is_video], turns, blank


@dataclass(frozen=True)
class _Pictures:
    """The benchmarks' images, each once."""

    pictures: list[Picture]
    of_item: dict[int, int]
    images: dict[str, list[tuple[Path, str]]]
    """Benchmark -> folder and path of each of its images."""
    unread: dict[tuple[Path, str], str]
    """Folder and path of an image -> why it cannot be read."""

    def problems(self) -> list[Problem]:
        """Every image of every benchmark that cannot be read."""
        return [
            Problem(f"image {path}", self.unread[root, path], benchmark)
            for benchmark, images in self.images.items()
            for root, path in images
            if (root, path) in self.unread
        ]


def _refuse_unseen(pictured: _Pictures) -> None:
    """Refuse a benchmark of which no image can be read: its leaks would be kept without a word."""
    for benchmark, images in pictured.images.items():
        if images and all(image in pictured.unread for image in images):
            root, path = images[0]
            raise UserError(
                f"not one of the {len(images)} images of {benchmark} can be read; the first is {path!r}"
                f" ({pictured.unread[root, path]})",
                str(root),
                "name the folder of its images, or compare questions alone with --rule question",
            )


def _benchmark_pictures(items: Sequence[BenchmarkItem], engine: Engine) -> _Pictures:
    images: dict[str, dict[tuple[Path, str], None]] = {}
    roots: dict[Path, Numbered] = {}
    for item in items:
        if item.image is not None:
            roots.setdefault(item.root, Numbered()).number(item.image)
            images.setdefault(item.benchmark, {})[item.root, item.image] = None
    numbers: dict[tuple[Path, str], int] = {}
    # Benchmarks share images. Each counts once, or its copies would push others out of the candidates.
    same: dict[bytes, int] = {}
    pictures: list[Picture] = []
    unread: dict[tuple[Path, str], str] = {}
    for root, paths in roots.items():
        for path, (value, reason) in zip(paths, look_at(root, paths, "picture", engine), strict=True):
            if isinstance(value, Picture):
                key = hashlib.blake2b(value.pixels.tobytes() + repr(value.aspect).encode()).digest()
                numbers[root, path] = same.setdefault(key, len(pictures))
                if numbers[root, path] == len(pictures):
                    pictures.append(value)
            else:
                unread[root, path] = reason or "it cannot be read"
    of_item = {
        place: numbers[item.root, item.image]
        for place, item in enumerate(items)
        if item.image is not None and (item.root, item.image) in numbers
    }
    return _Pictures(pictures, of_item, {name: list(found) for name, found in images.items()}, unread)


def _find_images(
    paths: Numbered, pictures: str, settings: DecontaminationSettings, engine: Engine
) -> tuple[dict[int, list[image_match.Match]], dict[int, str]]:
    """The matches of each image that has any, and why the unusable ones are that."""
    found: dict[int, list[image_match.Match]] = {}
    reasons: dict[int, str] = {}
    work = partial(_match_block, root=settings.image_root, pictures=pictures, match=settings.match)
    images = (one for block in engine.map(work, _blocks(paths)) for one in block)
    for number, (matches, reason) in enumerate(images):
        if reason is not None:
            reasons[number] = reason
        elif matches:
            found[number] = matches
    return found, reasons


def _blocks(paths: Numbered) -> Iterator[list[str]]:
    block: list[str] = []
    for path in paths:
        block.append(path)
        if len(block) == _BLOCK_IMAGES:
            yield block
            block = []
    if block:
        yield block


def _match_block(
    paths: list[str], root: Path, pictures: str, match: image_match.MatchSettings
) -> list[tuple[list[image_match.Match], str | None]]:
    windows = _window_index(pictures, match)
    results: list[tuple[list[image_match.Match], str | None]] = []
    for path in paths:
        value, reason = see(root, path, "picture")
        results.append((windows.find_all(value), None) if isinstance(value, Picture) else ([], reason))
    return results


@lru_cache(1)
def _window_index(file: str, match: image_match.MatchSettings) -> image_match.WindowIndex:
    return image_match.WindowIndex(pickle.loads(Path(file).read_bytes()), match)
