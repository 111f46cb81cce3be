"""Ask a teacher something about every row of a file: resumed, cached, within a budget, every failure told."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data_builders.curate.scores import rating
from data_builders.problems import Problem, problem_of
from data_builders.rows import iter_rows
from data_builders.teachers.base import Message, Reply, Request, Settings, UnusableError
from data_builders.teachers.building import RECORDS, Built, Report, Steps, Unit, build
from data_builders.teachers.ledger import estimate
from data_builders.teachers.opening import BATCHES, Hiring, hired
from data_builders.teachers.pictures import Picture
from mmtune.errors import RecordError, UserError
from mmtune.records import Record


@dataclass(frozen=True)
class RatingSettings:
    """What is rated and who sees it.

    Args:
        ratings: which, out of ``rating.PROMPTS``.
        image_root: folder of the images; None for a teacher that reads the text alone.
        sample: how many rows are rated, chosen at random; None for all.
        seed: of that choice.
    """

    ratings: tuple[str, ...]
    image_root: Path | None = None
    sample: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.sample is not None and self.sample < 1:
            raise UserError(f"{self.sample} rows are to be rated", "--rate", "give at least 1")


@dataclass
class Rated:
    """What a teacher found."""

    ratings: dict[int, dict[str, float]] = field(default_factory=dict)
    """Row -> rating -> number."""
    problems: list[Problem] = field(default_factory=list)
    """Rows that were asked about and have no rating."""
    waiting: str = ""
    """What to do where batch files wait for their answers."""


@dataclass(frozen=True)
class Cost:
    """What asking would cost.

    Args:
        rows: to be asked about.
        requests: to the teacher.
        prompt_tokens: about.
        completion_tokens: at most.
        unusable: rows that nothing can be asked about, such as those whose image is missing.
    """

    rows: int
    requests: int
    prompt_tokens: int
    completion_tokens: int
    unusable: list[Problem]


def rate_rows(path: Path, folder: Path, settings: RatingSettings, hiring: Hiring) -> Rated:
    """Have a teacher rate the rows of a file; the same call goes on where an earlier one ended.

    Args:
        path: LLaVA JSON or JSON Lines.
        folder: of these ratings, with the cache, the ledger and the failures.
        settings: what is rated.
        hiring: by whom.

    Raises:
        UserError: as ``data_builders.teachers.building.build``; so not one row could be rated.
    """
    description: dict[str, Any] = {
        "ratings": list(settings.ratings),
        "prompts": rating.prompts_sha256(settings.ratings),
        "images": settings.image_root is not None,
        "settings": vars(hiring.settings),
    }
    numbers: dict[str, Problem] = {}
    with hired(hiring, folder, dict.fromkeys(settings.ratings, rating.by_rule)) as teacher:
        units = _units(path, settings, hiring.settings, numbers)
        report = build(units, teacher, folder, description=description, at_once=4 * hiring.concurrency)
    rated = Rated()
    if report.records:
        for row in iter_rows(folder / RECORDS):
            value = row.value()
            rated.ratings[value["row"]] = value["ratings"]
    for failure in report.failures:
        place = numbers[failure["unit"]]
        rated.problems.append(Problem(place.row, f"it is not rated: {failure['reason']}", id=place.id))
    rated.problems.sort(key=lambda problem: problem.number)
    rated.waiting = told_waiting(report, folder)
    return rated


def told_waiting(report: Report, folder: Path) -> str:
    """What to do with batch files that wait for their answers; empty where none do."""
    if not report.waiting:
        return ""
    batches = folder / BATCHES
    return (
        f"{report.waiting} rows wait for answers: send the files in {batches / 'requests'}, put what comes"
        f" back into {batches / 'results'}, and run the same command again"
    )


def cost_of(path: Path, settings: RatingSettings, how: Settings) -> Cost:
    """Count what ``rate_rows`` would ask, without asking."""
    rows = requests = prompt = completion = 0
    unusable: list[Problem] = []
    for number, _, record in _chosen(path, settings):
        rows += 1
        try:
            for request in _requests(record, settings, how):
                usage = estimate(request)
                requests, prompt = requests + 1, prompt + usage.prompt_tokens
                completion += usage.completion_tokens
        except UserError as error:
            unusable.append(problem_of(error, number, record.id))
    return Cost(rows, requests, prompt, completion, unusable)


def _units(
    path: Path, settings: RatingSettings, how: Settings, numbers: dict[str, Problem]
) -> Iterator[Unit]:
    for number, text, record in _chosen(path, settings):
        name = f"row {number}"
        numbers[name] = Problem(number, "", id=record.id)
        yield Unit(name, hashlib.sha256(text).hexdigest(), _start(number, record, settings, how))


def _start(number: int, record: Record, settings: RatingSettings, how: Settings) -> Callable[[], Steps]:
    def steps() -> Steps:
        replies: Sequence[Reply] = yield _requests(record, settings, how)
        found = {
            name: rating.parse(reply.text) for name, reply in zip(settings.ratings, replies, strict=True)
        }
        return Built(({"row": number, "id": record.id, "ratings": found},))

    return steps


def _requests(record: Record, settings: RatingSettings, how: Settings) -> list[Request]:
    root = settings.image_root
    pictures = () if root is None else tuple(Picture(root, image) for image in record.images)
    facts = {"record": record}
    return [
        Request(name, (Message("user", text, pictures),), how, None, _accept, name, facts)
        for name in settings.ratings
        for text in [rating.prompt_of(record, name)]
    ]


def _accept(text: str) -> None:
    if rating.parse(text) != rating.parse(text):
        raise UnusableError("there is not one line 'Rating: N' with a whole number from 1 to 10")


def _chosen(path: Path, settings: RatingSettings) -> Iterator[tuple[int, bytes, Record]]:
    """Rows that are rated; those that are no records are told by whoever reads the file for its scores."""
    keep: set[int] | None = None
    if settings.sample is not None:
        count = sum(1 for _ in iter_rows(path))
        keep = set(random.Random(settings.seed).sample(range(count), min(settings.sample, count)))
    for row in iter_rows(path):
        if keep is not None and row.number not in keep:
            continue
        try:
            yield row.number, row.text, row.record()
        except RecordError:
            continue
