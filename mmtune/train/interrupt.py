"""Ctrl-C and a scheduler's notice: the step is finished, a checkpoint saved, then the run ends."""

from __future__ import annotations

import os
import signal
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = [signal.SIGINT, signal.SIGTERM]
if hasattr(signal, "SIGUSR1"):
    _SIGNALS.append(signal.SIGUSR1)  # what `sbatch --signal=USR1@300` sends before the time is over


class StopRequest:
    """Remembers that the run shall end; a second Ctrl-C ends it at once."""

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        for number in _SIGNALS:
            try:
                self._previous[number] = signal.signal(number, self._remember)
            except ValueError:  # not the main thread (a notebook, a test): signals stay as they are
                break
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, previous in self._previous.items():
            signal.signal(number, previous)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        if not self.requested:  # a step may take a minute; whoever sees nothing presses again
            _tell("asked to stop: finishing this step, then saving; Ctrl-C again stops at once, unsaved")
        self.requested = True


def _tell(sentence: str) -> None:
    """Write to standard error past every buffer: the signal may have come while a log line was written."""
    if os.environ.get("RANK", "0") == "0":
        os.write(2, f"{sentence}\n".encode())
