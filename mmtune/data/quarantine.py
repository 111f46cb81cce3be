"""Refused records: written down with their reason, counted, and a stop when they are too many."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from mmtune.errors import RecordError, UserError

_SHOWN = 3


@dataclass(frozen=True)
class Refusal:
    """One refused record, as a row of ``quarantine.jsonl``."""

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

    The count is of this process: a record refused again in a later epoch, or written by an earlier run of the
    same folder, is neither counted nor written twice. Several processes may append to one file.

    Args:
        path: the file to append to, or None to only count.
        budget: share of ``records`` that may be refused.
        records: records of the data set.
    """

    def __init__(self, path: Path | str | None, budget: float, records: int) -> None:
        self.path = None if path is None else Path(path)
        self.budget = budget
        self.records = records
        self._refused: dict[tuple[str, int], Refusal] = {}
        self._written = _read(self.path)

    def __len__(self) -> int:
        return len(self._refused)

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """The records refused so far."""
        return tuple(self._refused.values())

    def add(self, refusal: Refusal, *, write: bool = True) -> None:
        """Count a refused record and write it down.

        Args:
            refusal: the record and the reason.
            write: False on a rank that leaves the writing to another.

        Raises:
            UserError: if more records are refused than the budget allows.
        """
        key = (refusal.source, refusal.row)
        if key in self._refused:
            return
        self._refused[key] = refusal
        if write and self.path is not None and refusal not in self._written:
            self._append(refusal)
        if len(self._refused) > self.budget * self.records:
            raise self._stop()

    def _append(self, refusal: Refusal) -> None:
        assert self.path is not None
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps(asdict(refusal), ensure_ascii=False) + "\n"
        # One write in append mode, so that lines of several processes do not mix.
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(file, line.encode("utf-8", "backslashreplace"))
        finally:
            os.close(file)
        self._written.add(refusal)

    def _stop(self) -> UserError:
        count = len(self._refused)
        shown = "; ".join(
            f"{r.id!r}, row {r.row} of {r.source}: {r.reason}" for r in list(self._refused.values())[:_SHOWN]
        )
        return UserError(
            f"{count} of {self.records} records refused, over the budget of {self.budget * 100:g} %: {shown}",
            None if self.path is None else str(self.path),
            "mend or remove these records, or raise data.quarantine_budget",
        )


def _read(path: Path | None) -> set[Refusal]:
    """What an earlier run wrote; a line cut short by a crash is skipped."""
    if path is None or not path.exists():
        return set()
    written = set()
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            written.add(Refusal(**json.loads(line)))
        except (json.JSONDecodeError, TypeError):
            continue
    return written
