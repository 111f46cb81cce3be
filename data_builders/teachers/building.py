"""Builds data with a teacher: many units at once, each in as many steps as it needs, and nothing lost."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from data_builders.teachers.base import Answer, Reply, Request, Teacher
from data_builders.teachers.journal import Journal, write_rows
from mmtune.errors import UserError

RECORDS, REJECTED, FAILURES, SUMMARY = "records.jsonl", "rejected.jsonl", "failures.jsonl", "build.json"
HOPELESS = 100
"""Units that fail one after the other, and none before them succeeded, before the run gives up."""


@dataclass(frozen=True)
class Rejection:
    """Something that the teacher wrote in the right form, and that a validator found untrue or useless."""

    unit: str
    reason: str
    text: str = ""


@dataclass(frozen=True)
class Built:
    """What a unit gave: rows to write, and what was rejected on the way."""

    rows: tuple[Mapping[str, Any], ...] = ()
    rejected: tuple[Rejection, ...] = ()


Steps = Generator[Sequence[Request], Sequence[Reply], Built]
"""A unit's work: it yields requests, is sent their replies in the same order, and returns what it built.

Where a request has no answer the unit ends there, is reported, and is tried again by the next run."""


@dataclass(frozen=True)
class Unit:
    """One piece of input, such as a scene.

    Args:
        id: unique in the input.
        fingerprint: changes with its content; a unit that changed is built again.
        steps: starts its work.
    """

    id: str
    fingerprint: str
    steps: Callable[[], Steps]


@dataclass
class Report:
    """How a run ended."""

    units: int = 0
    """Finished, in this run or before."""
    skipped: int = 0
    """Of them, finished by an earlier run."""
    records: int = 0
    rejected: int = 0
    waiting: int = 0
    """Units that wait for answers to batch files."""
    failures: list[Mapping[str, Any]] = field(default_factory=list)
    """Units without a result, with kind and reason; also in ``failures.jsonl``."""
    replies: int = 0
    """Answers that were got in this run, with those from the cache."""
    cached: int = 0
    prompt_tokens: int = 0
    """Of the answers that were not cached."""
    completion_tokens: int = 0

    def reasons(self, shown: int = 3) -> str:
        """The commonest reasons of failures, with their counts."""
        common = Counter(str(item["reason"]) for item in self.failures).most_common(shown)
        return "; ".join(f"{count} x {reason}" for reason, count in common)


@dataclass
class _Live:
    """A unit whose work has begun."""

    unit: Unit
    position: int
    steps: Steps
    waits_for: int = 0
    """Requests without an answer."""
    waiting: bool = False
    """Whether one of them is answered only by a later run."""
    replies: dict[int, Reply] = field(default_factory=dict)


def build(
    units: Iterable[Unit],
    teacher: Teacher,
    folder: Path,
    *,
    description: Mapping[str, Any] | None = None,
    at_once: int = 64,
    hopeless: int = HOPELESS,
    progress: Callable[[int], object] | None = None,
) -> Report:
    """Build all units, going on from where an earlier run of the same folder ended.

    The folder gets ``records.jsonl`` in the order of the units, ``rejected.jsonl``, ``failures.jsonl`` and
    ``build.json``; ``build.sqlite`` holds what is finished.

    Args:
        units: the input, read as needed.
        teacher: answers the requests.
        folder: of this build alone.
        description: what is built and how; a later run must have the same.
        at_once: units whose work is under way; the teacher's own limits come on top.
        hopeless: units that fail in a row before the run gives up.
        progress: called with the number of units that are newly done.

    Raises:
        UserError: what the teacher raised, after writing what is finished; or if not one record was built.
    """
    described = {"teacher": dict(teacher.identity), **(description or {})}
    journal = Journal(folder, described)
    try:
        run = _Run(journal, at_once, hopeless, progress or (lambda _: None))
        since = 0  # where the run ends early, what earlier runs finished is still there
        try:
            asyncio.run(run.through(iter(units), teacher))
            since = journal.run
        finally:
            _write(folder, run.report, journal, since, described)
        return _not_empty(run.report, folder)
    finally:
        journal.close()


def _write(folder: Path, report: Report, journal: Journal, since: int, described: Mapping[str, Any]) -> None:
    report.units = journal.units()
    report.records = write_rows(folder / RECORDS, journal.rows(since))
    report.rejected = write_rows(folder / REJECTED, journal.rejected(since))
    write_rows(folder / FAILURES, iter(report.failures))
    summary = {**described, **asdict(report), "failures": len(report.failures)}
    write_rows(folder / SUMMARY, iter([summary]))


def _not_empty(report: Report, folder: Path) -> Report:
    """The report, unless there is nothing to be glad of."""
    if report.records or report.waiting:
        return report
    if not report.units and not report.failures:
        raise UserError("the input is empty, so nothing was built", str(folder))
    reasons = report.reasons() or f"{report.rejected} answers were rejected, see {REJECTED}"
    raise UserError("not one record was built", str(folder), f"the reasons: {reasons}")


class _Run:
    """One pass over the input: starts units, carries requests and replies, writes what is finished."""

    def __init__(
        self, journal: Journal, at_once: int, hopeless: int, progress: Callable[[int], object]
    ) -> None:
        self.journal, self.at_once, self.hopeless, self.progress = journal, at_once, hopeless, progress
        self.report = Report()
        self._live: dict[int, _Live] = {}
        self._due: deque[Request] = deque()
        self._unfinished: set[str] = set()  # ids of this run's units that the journal does not have
        self._failed_in_a_row = 0
        self._more = True

    async def through(self, units: Iterator[Unit], teacher: Teacher) -> None:
        """Everything, until no unit is left."""
        self._units = enumerate(units)
        self._changed = asyncio.Event()
        stream: Any = teacher.ask(self._requests())
        async with aclosing(stream) as answers:
            async for answer in answers:
                self._take(answer)
                self._changed.set()

    async def _requests(self) -> AsyncIterator[Request]:
        """Requests as they become known: of new units, and of those whose earlier replies have come."""
        while True:
            while not self._due and self._more and len(self._live) < self.at_once:
                self._begin_next()
                await asyncio.sleep(0)  # a long row of finished units must not hold up the answers
            if self._due:
                yield self._due.popleft()
            elif not self._live and not self._more:
                return
            else:
                self._changed.clear()
                await self._changed.wait()

    def _begin_next(self) -> None:
        try:
            position, unit = next(self._units)
        except StopIteration:
            self._more = False
            return
        if unit.id in self._unfinished or self.journal.seen(unit.id):
            self._report(unit.id, "input", "a unit of this id stands earlier in the input")
        elif self.journal.claim(unit.id, unit.fingerprint, position):
            self.report.skipped += 1
            self.progress(1)
        else:
            live = _Live(unit, position, unit.steps())
            self._live[position] = live
            self._unfinished.add(unit.id)
            self._advance(live, None)

    def _advance(self, live: _Live, replies: Sequence[Reply] | None) -> None:
        """Let a unit work until it asks again or is finished."""
        try:
            # A generator is started with next(), and goes on with what it is sent.
            asked = list(next(live.steps) if replies is None else live.steps.send(replies))
            while not asked:
                asked = list(live.steps.send(()))
        except StopIteration as end:
            self._finish(live, end.value)
            return
        except UserError as error:
            self._fail(live, "input", str(error).rstrip("."))
            return
        live.waits_for, live.waiting, live.replies = len(asked), False, {}
        for place, request in enumerate(asked):
            self._due.append(replace(request, id=f"{live.position}/{place}/{request.id}"))

    def _take(self, answer: Answer) -> None:
        """Bring an answer to the unit that asked for it."""
        position, place, name = answer.id.split("/", 2)
        live = self._live.get(int(position))
        if isinstance(answer, Reply):
            self._count(answer)
        if live is None:  # an answer to a unit that was given up for another of its requests
            return
        live.waits_for -= 1
        if isinstance(answer, Reply):
            live.replies[int(place)] = replace(answer, id=name)
        elif answer.kind == "waiting":  # the unit's other requests are to wait in the same file
            live.waiting = True
        else:
            self._fail(live, answer.kind, answer.reason, answer.attempts)
            return
        if live.waits_for == 0 and live.waiting:
            self.report.waiting += 1
            self._drop(live)
        elif live.waits_for == 0:
            self._advance(live, [live.replies[index] for index in sorted(live.replies)])

    def _finish(self, live: _Live, built: Built) -> None:
        rejected = [asdict(item) for item in built.rejected]
        self.journal.finish(live.unit.id, live.unit.fingerprint, live.position, built.rows, rejected)
        del self._live[live.position]
        self._unfinished.discard(live.unit.id)
        self._failed_in_a_row = 0
        self.progress(1)

    def _drop(self, live: _Live) -> None:
        """Give a unit up; what it has asked already may still be answered, into the cache."""
        live.steps.close()
        del self._live[live.position]
        self._due = deque(item for item in self._due if not item.id.startswith(f"{live.position}/"))
        self.progress(1)

    def _fail(self, live: _Live, kind: str, reason: str, attempts: int = 0) -> None:
        self._drop(live)
        self._report(live.unit.id, kind, reason, attempts)

    def _report(self, unit: str, kind: str, reason: str, attempts: int = 0) -> None:
        row = {"unit": unit, "kind": kind, "reason": reason, "attempts": attempts}
        self.report.failures.append(row)
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= self.hopeless and not self.journal.units():
            raise UserError(
                f"{self._failed_in_a_row} units failed and none succeeded: {self.report.reasons()}",
                fix="mend that and run the same command again",
            )

    def _count(self, reply: Reply) -> None:
        self.report.replies += 1
        if reply.cached:
            self.report.cached += 1
        else:
            self.report.prompt_tokens += reply.usage.prompt_tokens
            self.report.completion_tokens += reply.usage.completion_tokens
