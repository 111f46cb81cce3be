"""Refused records: written down with their reason, counted, and a stop when they are too many."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from mmtune.errors import RecordError, UserError

Split = Literal["training", "validation"]

_SHOWN = 3


@dataclass(frozen=True)
class Refusal:
    """One refused record, as a row of ``quarantine.jsonl`` beside its split."""

    source: str
    """File that the record is in."""
    row: int
    """Zero-based row in that file."""
    id: str
    """The record's id."""
    reason: str
    """Why it is refused."""

    @staticmethod
    def of(error: UserError, source: Path, row: int, record_id: str) -> Refusal:
        """The refusal of a record that raised ``error``."""
        if isinstance(error, RecordError):
            reason = error.reason
        else:
            reason = f"{error.what} ({error.where})" if error.where else error.what
        return Refusal(str(source), row, record_id, reason)


class Quarantine:
    """Counts each refused record once, appends it to a file, and stops the run beyond a budget.

    The processes of a run append to one file and count what the others wrote there, so that the budget is the
    run's; training and validation share the file, and each counts its own. A record refused again in a later
    epoch is neither counted nor written twice; what an earlier run of the same folder wrote is not written
    again, and counts only when it is met again, or when the run goes on and had counted it (``go_on``).

    Args:
        path: the file to append to, or None to only count.
        budget: share of ``records`` that may be refused.
        records: records of the data set.
        split: the data set, written to each row; rows of another one are not counted.
    """

    def __init__(
        self, path: Path | str | None, budget: float, records: int, split: Split = "training"
    ) -> None:
        self.path = None if path is None else Path(path)
        self.split = split
        self.budget = budget
        self.records = records
        self._refused: dict[tuple[str, int], Refusal] = {}
        self._read_bytes = 0
        earlier = self._new_lines()
        self._earlier, self._written = tuple(earlier), set(earlier)

    def __len__(self) -> int:
        return len(self._refused)

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """The records refused so far."""
        return tuple(self._refused.values())

    def go_on(self, counted: int) -> None:
        """Count again what a run had counted by the step that it goes on from: the file's first records."""
        distinct = dict.fromkeys((row.source, row.row) for row in self._earlier)
        known = {(row.source, row.row): row for row in reversed(self._earlier)}
        self._refused = {key: known[key] for key in list(distinct)[:counted]}

    def add(self, refusal: Refusal, *, write: bool = True) -> None:
        """Count a refused record and write it down.

        Args:
            refusal: the record and the reason.
            write: False on a rank that leaves the writing to another.

        Raises:
            UserError: if more records are refused than the budget allows, or the file cannot be written.
        """
        key = (refusal.source, refusal.row)
        if key in self._refused:
            return
        self._refused[key] = refusal
        if write and self.path is not None and refusal not in self._written:
            self._append(refusal)
        for other in self._new_lines():
            self._written.add(other)
            self._refused.setdefault((other.source, other.row), other)
        if len(self._refused) > self.budget * self.records:
            raise self._stop()

    def _append(self, refusal: Refusal) -> None:
        assert self.path is not None
        line = json.dumps({"split": self.split, **asdict(refusal)}, ensure_ascii=False) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                # Locked, because another process's line that is half written looks like one cut by a crash.
                fcntl.flock(file, fcntl.LOCK_EX)
                if not _ends_whole(file):
                    line = "\n" + line
                os.write(file, line.encode("utf-8", "backslashreplace"))
            finally:
                os.close(file)
        except OSError as error:
            raise UserError(
                f"a refused record cannot be written down: {error.strerror or error}",
                str(self.path),
                "check the folder and the space left on its disk",
            ) from error

    def _stop(self) -> UserError:
        count = len(self._refused)
        shown = "; ".join(
            f"{r.id!r}, row {r.row} of {r.source}: {r.reason}" for r in list(self._refused.values())[:_SHOWN]
        )
        return UserError(
            f"{count} of {self.records} {self.split} records refused, over the budget of"
            f" {self.budget * 100:g} %: {shown}",
            None if self.path is None else str(self.path),
            "mend or remove these records, or raise data.quarantine_budget",
        )

    def _new_lines(self) -> list[Refusal]:
        """This split's rows that were not read yet; a line cut short by a crash is skipped."""
        if self.path is None or not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(self._read_bytes)
            lines = file.read().splitlines(keepends=True)
        found = []
        for line in lines:
            if not line.endswith(b"\n"):
                break
            self._read_bytes += len(line)
            try:
                row = json.loads(line)
                if row.pop("split") == self.split:
                    found.append(Refusal(**row))
            except (ValueError, TypeError, KeyError, AttributeError):
                continue
        return found


def _ends_whole(file: int) -> bool:
    """Whether an open file's last line is complete, which a crash may have prevented."""
    size = os.fstat(file).st_size
    return size == 0 or os.pread(file, 1, size - 1) == b"\n"
