"""Which images and questions of benchmarks stand in training records.

Images and questions are compared as ``mmtune data decontaminate`` compares them: an image counts as seen
where a training image shows it or a crop of it, re-encoded or resized; a question where a user's turn asks it
but for case, punctuation and the lines that protocols put under it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from data_builders.curate.benchmark_items import BenchmarkItem
from data_builders.curate.decontaminate import (
    Contamination,
    DecontaminationSettings,
    Leak,
    find_leaks,
)
from data_builders.curate.image_match import MatchSettings
from data_builders.curate.text import question_of
from data_builders.engines import get_engine
from eval.tasks import Item, Task
from mmtune.errors import UserError

_Image = tuple[str, str]
"""An image's folder and its path in it."""
_ASKED = "benchmarks"


@dataclass(frozen=True)
class TrainingRecords:
    """A file of records that a model learnt from.

    Args:
        path: LLaVA JSON or JSON Lines.
        images: the folder that its image paths are relative to.
    """

    path: Path
    images: Path

    def __post_init__(self) -> None:
        if not self.path.is_file():
            raise UserError(
                "There is no such file of training records", str(self.path), "give --train-data FILE"
            )
        if not self.images.is_dir():
            raise UserError(
                "There is no such image folder of training records", str(self.images), "give images=FOLDER"
            )


@dataclass(frozen=True)
class Sighting:
    """Where training shows an item, or one of its images: the first match of each sort, as ``{"file", "row",
    "id", …}``."""

    image: Mapping[str, Any] | None = None
    question: Mapping[str, Any] | None = None
    both: Mapping[str, Any] | None = None
    """One record with the image and the question; of an item without an image, with the question."""


@dataclass(frozen=True)
class Overlap:
    """All that was found."""

    sightings: Mapping[tuple[str, str], Sighting]
    """(task, item id) → where it was seen; items that were not are absent."""
    files: Sequence[Mapping[str, Any]]
    """For each file of records ``{"path", "images", "rows", "unusable", "reason"}``: rows that are unusable,
    as where their image is gone, could not be compared."""
    unread: Sequence[str]
    """Images of the benchmarks that could not be read, so that only questions about them were compared."""
    settings: Mapping[str, Any] = field(default_factory=dict)


def find_overlap(
    tasks: Mapping[str, Task],
    items: Mapping[str, Sequence[Item]],
    records: Sequence[TrainingRecords],
    *,
    workers: int = 1,
) -> Overlap:
    """Compare the items of benchmarks with training records.

    Args:
        tasks: name → task.
        items: those of each task that are to be looked for.
        records: what the model learnt from.
        workers: processes that read records and images.

    Raises:
        UserError: a file cannot be read, or not one image of the benchmarks can be.
    """
    match = MatchSettings()
    known = _Known(tasks, items)
    files: list[Mapping[str, Any]] = []
    unread: list[str] = []
    for one in records:
        settings = DecontaminationSettings(one.images, rule="either", match=match)
        found = find_leaks(one.path, known.asked, settings, get_engine(None, workers))
        known.take(str(one.path), found)
        reason = found.problems[0].reason if found.problems else None
        files.append(
            {
                "path": str(one.path),
                "images": str(one.images),
                "rows": found.rows,
                "unusable": len(found.problems),
                "reason": reason,
            }
        )
        unread = [f"{problem.row}: {problem.reason}" for problem in found.benchmark_problems]
    return Overlap(known.sightings(), files, unread, asdict(match) | {"questions": "same, normalised"})


class _Known:
    """Each image and each question of the benchmarks once, and where training shows it.

    Asked one by one instead of item by item, a question that thousands of items share ("Is there a dog?")
    gives one match a record and not thousands.
    """

    def __init__(self, tasks: Mapping[str, Task], items: Mapping[str, Sequence[Item]]) -> None:
        self._items: dict[tuple[str, str], tuple[tuple[_Image, ...], str]] = {}
        images: dict[_Image, BenchmarkItem] = {}
        questions: dict[str, BenchmarkItem] = {}
        for name, task in tasks.items():
            for item in items[name]:
                shown = tuple((str(task.images), image) for image in item.images)
                question = question_of(item.question) if task.asks_questions else ""
                self._items[name, item.id] = (shown, question)
                for image in shown:
                    if image not in images:
                        place = f"i{len(images)}"
                        images[image] = BenchmarkItem(_ASKED, place, image[1], task.images, "")
                if question and question not in questions:
                    asked = f"q{len(questions)}"
                    questions[question] = BenchmarkItem(_ASKED, asked, None, task.images, item.question)
        self.asked = [*images.values(), *questions.values()]
        self._image_of = {item.id: image for image, item in images.items()}
        self._question_of = {item.id: question for question, item in questions.items()}
        self._images: dict[_Image, dict[str, Any]] = {}
        self._questions: dict[str, dict[str, Any]] = {}
        self._pairs: dict[tuple[_Image, str], dict[str, Any]] = {}

    def take(self, file: str, found: Contamination) -> None:
        """Add what one file of records shows."""
        by_row: dict[int, list[Leak]] = {}
        for leak in found.leaks:
            by_row.setdefault(leak.row, []).append(leak)
        for leaks in by_row.values():
            shown = [(self._image_of[leak.item], leak) for leak in leaks if leak.item in self._image_of]
            asked = [(self._question_of[leak.item], leak) for leak in leaks if leak.item in self._question_of]
            for image, leak in shown:
                self._images.setdefault(image, _where(file, leak))
                for question, other in asked:
                    place = _where(file, leak) | {"turn": other.turn}
                    self._pairs.setdefault((image, question), place)
            for question, leak in asked:
                self._questions.setdefault(question, _where(file, leak))

    def sightings(self) -> dict[tuple[str, str], Sighting]:
        """Of each item that was seen at all."""
        found = {}
        for key, (images, question) in self._items.items():
            asked = self._questions.get(question)
            shown = next((self._images[image] for image in images if image in self._images), None)
            pairs = ((image, question) for image in images)
            both = next((self._pairs[pair] for pair in pairs if pair in self._pairs), None)
            sighting = Sighting(shown, asked, both if images else asked)
            if sighting != Sighting():
                found[key] = sighting
        return found


def _where(file: str, leak: Leak) -> dict[str, Any]:
    """Where a match stands; of an image also which, how far apart and what part of the benchmark's."""
    place: dict[str, Any] = {"file": file, "row": leak.row, "id": leak.id}
    if leak.image is not None:
        return place | {"image": leak.image, "difference": leak.difference, "window": leak.window}
    return place | {"turn": leak.turn}
