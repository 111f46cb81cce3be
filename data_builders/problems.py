"""Rows that cannot be used: each with its id and the reason, counted, shown, written down."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from mmtune.errors import UserError

SHOWN = 3
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Problem:
    """A row, or a part of one, that was left out.

    Args:
        row: the row's own id where it has one, or its number in the file, as a person would look it up.
        reason: why it is left out, as the start of a sentence.
        source: the file.
    """

    row: str
    reason: str
    source: str = ""

    def __str__(self) -> str:
        place = f"{self.source}, {self.row}" if self.source else self.row
        return f"{place}: {self.reason}"


Report = Callable[[Problem], None]
"""Where a reader or a builder says what it leaves out."""


def stop_at_first(problem: Problem) -> None:
    """A report for those who want no row left out.

    Raises:
        UserError: with the problem, always.
    """
    place = f"{problem.source}, {problem.row}" if problem.source else problem.row
    raise UserError(problem.reason, place, "mend the row, or collect the problems and go on")


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
            self._file.write(json.dumps(asdict(problem), ensure_ascii=False) + "\n")
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
