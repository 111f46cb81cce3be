"""Rows that cannot be used: each with its id and the reason, counted, shown, written down."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from mmtune.errors import RecordError, UserError

SHOWN = 3
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Problem:
    """A row, or a part of one, that was left out.

    Args:
        row: in a file of records the row's number, from zero and without blank lines; in annotations what a
            person would look for, such as an object's own id or a line.
        reason: why it is left out, as the start of a sentence.
        source: the file, where it is not clear from what is around the problem.
        id: of the record, "?" where the row cannot be read so far; empty where rows have no ids.
    """

    row: int | str
    reason: str
    source: str = ""
    id: str = ""

    @property
    def number(self) -> int:
        """The row's number; only of a row in a file of records."""
        assert isinstance(self.row, int)
        return self.row

    @property
    def place(self) -> str:
        """Where it is: the file, the row and the record, as far as they are told."""
        row = f"row {self.row}" if isinstance(self.row, int) else self.row
        record = f"record {self.id!r}" if self.id else ""
        return ", ".join(part for part in (self.source, row, record) if part)

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, without those that are empty."""
        values = {"row": self.row, "id": self.id, "reason": self.reason, "source": self.source}
        return {name: value for name, value in values.items() if value != ""}


def problem_of(error: UserError, row: int, record_id: str = "?") -> Problem:
    """The problem that an error tells of a row of records."""
    if isinstance(error, RecordError):
        return Problem(row, error.reason, id=error.record_id if error.record_id != "?" else record_id)
    reason = f"{error.what} ({error.where})" if error.where else error.what
    return Problem(row, reason, id=record_id)


def beside(out: Path, what: str = "problems") -> Path:
    """The file of a list that goes with an output: ``clean.jsonl`` -> ``clean.problems.jsonl``."""
    return out.with_name(f"{out.stem}.{what}.jsonl")


Report = Callable[[Problem], None]
"""Where a reader or a builder says what it leaves out."""


def stop_at_first(problem: Problem) -> None:
    """A report for those who want no row left out.

    Raises:
        UserError: with the problem, always.
    """
    raise UserError(problem.reason, problem.place, "mend the row, or collect the problems and go on")


class Problems:
    """Counts problems, keeps the first ones to show, and writes all of them to a file of one a line.

    Args:
        path: JSON Lines to write, made at the first problem; None only counts.
        keep: how many to keep in memory.
    """

    def __init__(self, path: Path | None = None, keep: int = 100) -> None:
        self.path = path
        self.keep = keep
        self.first: list[Problem] = []
        self.reasons: Counter[str] = Counter()
        self._file: IO[str] | None = None

    def __call__(self, problem: Problem) -> None:
        self.reasons[problem.reason if len(self.reasons) < self.keep else "other reasons"] += 1
        if len(self.first) < self.keep:
            self.first.append(problem)
        if self.path is not None:
            self._write(self.path, problem)

    def __len__(self) -> int:
        return self.reasons.total()

    def __enter__(self) -> Problems:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the next problem opens it again and appends."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def summary(self) -> str:
        """The number of problems and the first of them, in one sentence; empty where there are none."""
        if not len(self):
            return ""
        shown = "; ".join(str(problem) for problem in self.first[:SHOWN])
        more = f" and {len(self) - SHOWN} more" if len(self) > SHOWN else ""
        kept = f" (all in {self.path})" if self.path is not None else ""
        return f"{len(self)} left out: {shown}{more}{kept}"

    def _write(self, path: Path, problem: Problem) -> None:
        try:
            if self._file is None:
                path.parent.mkdir(parents=True, exist_ok=True)
                # Text of strangers may hold halves of surrogate pairs, which UTF-8 cannot write.
                self._file = path.open("a", encoding="utf-8", errors="backslashreplace")
            self._file.write(json.dumps(problem.to_json(), ensure_ascii=False) + "\n")
        except OSError as error:
            raise UserError(
                f"a problem cannot be written down: {error.strerror or error}",
                str(path),
                "check the folder and the space left on its disk",
            ) from error


def shortened(value: object) -> str:
    """A value as it may stand in a reason: quoted, and cut where it is long."""
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} characters)"
