"""Rows that give a benchmark away: the same image and the same question, with the list of them."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from data_builders.curate import image_match, text
from data_builders.curate.benchmark_items import BenchmarkItem
from data_builders.curate.images_of import Numbered
from data_builders.curate.leaked_images import benchmark_pictures, find_images, refuse_unseen
from data_builders.curate.leaked_questions import Questions, read_block
from data_builders.engines import Engine
from data_builders.problems import Problem
from data_builders.rows import iter_blocks
from mmtune.errors import UserError

Rule = Literal["both", "image", "question", "either"]
Kind = Literal["image and question", "image", "question"]

RULES: dict[Rule, tuple[Kind, ...]] = {
    "both": ("image and question",),
    "image": ("image and question", "image"),
    "question": ("image and question", "question"),
    "either": ("image and question", "image", "question"),
}
"""Which kinds of match drop a row under each rule."""


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
    pictured = benchmark_pictures(items, engine)
    if settings.rule != "question":
        refuse_unseen(pictured)
    paths = Numbered()
    rows: list[tuple[int, str, list[int], list[tuple[int, int]], int | None]] = []
    problems: list[Problem] = []
    questions = _kept(folder / "questions", Questions(items, settings.similarity))
    for block in engine.map(partial(read_block, questions=questions), iter_blocks(path)):
        for found in block:
            if isinstance(found, Problem):
                problems.append(found)
            else:
                number, record_id, shown_paths, turns, blank = found
                rows.append((number, record_id, [paths.number(one) for one in shown_paths], turns, blank))
    count = len(rows) + len(problems)
    pictures = _kept(folder / "pictures", pictured.pictures)
    seen, reasons = find_images(paths, pictures, settings.image_root, settings.match, engine)
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


def _kept(file: Path, value: Any) -> str:
    """Write a value for the workers; gives the file's name."""
    file.write_bytes(pickle.dumps(value))
    return str(file)
