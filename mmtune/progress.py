"""Progress with rate and time left, and logging to the terminal and to a file of the run."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress

T = TypeVar("T")

LINE_EVERY_S = 5.0
"""Seconds between two progress lines where the output is not a terminal."""
_FILE_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

_console: Console | None = None


def console() -> Console:
    """The one rich console for progress and log lines; it writes to standard error."""
    global _console
    if _console is None:
        from rich.console import Console

        _console = Console(stderr=True)
    return _console


class Progress:
    """A progress bar on a terminal, and a plain line every few seconds where there is none.

    Args:
        total: units of work; None where it is not known beforehand.
        description: what is being done, as "encode records".
        unit: the word for one unit in the rate, as "step".
        stream: where lines go when there is no terminal; standard error by default.
        every_s: seconds between two such lines.
    """

    def __init__(
        self,
        total: int | None,
        description: str,
        unit: str = "it",
        stream: IO[str] | None = None,
        every_s: float = LINE_EVERY_S,
    ) -> None:
        self.total = total
        self.description = description
        self.unit = unit
        self.done = 0
        self.note = ""
        self._written: int | None = None
        self._stream = stream
        self._every_s = every_s
        self._bar: RichProgress | None = None

    def __enter__(self) -> Progress:
        self._start = self._last_line = time.monotonic()
        if self._stream is None and console().is_terminal:
            self._bar = _rich_bar()
            self._bar.start()
            self._task = self._bar.add_task(self.description, total=self.total, rate="", note="")
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        elif time.monotonic() - self._start >= 2.0 and self._written != self.done:
            self._write_line()

    def advance(self, units: int = 1, note: str | None = None) -> None:
        """Count ``units`` more as done; ``note`` (as "loss 0.41") is shown beside the bar."""
        self.done += units
        if note is not None:
            self.note = note
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done, rate=self._rate_text(), note=self.note)
        elif time.monotonic() - self._last_line >= self._every_s:
            self._write_line()

    @property
    def rate(self) -> float:
        """Units a second since the start."""
        return self.done / max(time.monotonic() - self._start, 1e-9)

    def line(self) -> str:
        """The state in one plain line: count, share, rate, time left or taken, note."""
        elapsed = time.monotonic() - self._start
        parts = [f"{self.description}: {self.done}"]
        if self.total:
            parts[0] += f"/{self.total} ({self.done / self.total:.0%})"
        if rate := self._rate_text():
            parts.append(rate)
        if self.total and 0 < self.done < self.total:
            parts.append(f"{clock((self.total - self.done) / self.rate)} left")
        else:
            parts.append(f"took {clock(elapsed)}")
        if self.note:
            parts.append(self.note)
        return ", ".join(parts)

    def _rate_text(self) -> str:
        """The rate in words; empty as long as nothing is done."""
        if not self.done:
            return ""
        return (
            f"{self.rate:.1f} {self.unit}/s"
            if self.rate >= 1
            else f"{1 / max(self.rate, 1e-9):.1f} s/{self.unit}"
        )

    def _write_line(self) -> None:
        self._last_line, self._written = time.monotonic(), self.done
        stream = self._stream or sys.stderr
        stream.write(self.line() + "\n")
        stream.flush()


def track(
    iterable: Iterable[T], total: int | None = None, description: str = "work", unit: str = "it"
) -> Iterator[T]:
    """Yield from ``iterable`` and show progress with rate and time left.

    Args:
        iterable: what to go through.
        total: its length; taken from ``len`` where it has one.
        description: what is being done, as "encode records".
        unit: the word for one unit in the rate.
    """
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    with Progress(total, description, unit) as progress:
        for value in iterable:
            yield value
            progress.advance()


def clock(seconds: float) -> str:
    """Seconds as ``m:ss`` or ``h:mm:ss``."""
    whole = int(seconds + 0.5)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def setup_logging(run_dir: Path | str | None = None, level: int = logging.INFO) -> None:
    """Send the log to the terminal, and to ``run_dir/log.txt`` where a run folder is given.

    Calling it again replaces what an earlier call had set up, so that phases of one process can each have
    a folder of their own.

    Args:
        run_dir: the run's folder; it is made where it is absent.
        level: least severe level that is shown.
    """
    from rich.logging import RichHandler

    root = logging.getLogger()
    for old in [h for h in root.handlers if getattr(h, "of_mmtune", False)]:
        root.removeHandler(old)
        old.close()
    handlers: list[logging.Handler] = [_terminal_handler(RichHandler)]
    if run_dir is not None:
        Path(run_dir).mkdir(parents=True, exist_ok=True)
        to_file = logging.FileHandler(Path(run_dir) / "log.txt", encoding="utf-8")
        to_file.setFormatter(logging.Formatter(_FILE_FORMAT))
        handlers.append(to_file)
    for handler in handlers:
        handler.of_mmtune = True  # type: ignore[attr-defined]
        root.addHandler(handler)
    root.setLevel(logging.WARNING)  # libraries speak up only when something is wrong
    for name in ("mmtune", "data_builders", "eval"):
        logging.getLogger(name).setLevel(level)


@contextmanager
def file_log(run_dir: Path | str) -> Iterator[None]:
    """Write the log to ``run_dir/log.txt`` as well, for as long as the block lasts."""
    Path(run_dir).mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(Path(run_dir) / "log.txt", encoding="utf-8")
    handler.setFormatter(logging.Formatter(_FILE_FORMAT))
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()


def _terminal_handler(rich_handler: type) -> logging.Handler:
    """Coloured on a terminal; plain unbroken lines elsewhere, so that a log file can be searched."""
    if console().is_terminal:
        return rich_handler(
            console=console(), show_path=False, omit_repeated_times=False, log_time_format="%H:%M:%S"
        )
    plain = logging.StreamHandler(sys.stderr)
    plain.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    return plain


def _rich_bar() -> RichProgress:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichBar

    return RichBar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console(),
        refresh_per_second=4,
    )
