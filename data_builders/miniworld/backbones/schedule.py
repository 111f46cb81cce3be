"""What the two pretraining scripts share: the learning-rate schedule and the training log."""

from __future__ import annotations

import json
import logging
import math
import time
from collections import defaultdict
from pathlib import Path

log = logging.getLogger(__name__)


def cosine_lr(step: int, steps: int, peak: float, warmup: int) -> float:
    """Learning rate at ``step`` (from 0): linear warm-up, then a cosine to zero at ``steps``."""
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


class TrainingLog:
    """Averages the figures of ``every`` steps into one JSON line and one log line.

    Args:
        path: the file to write, replaced if it exists.
        every: steps to average over.
    """

    def __init__(self, path: Path, every: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", encoding="utf-8")
        self._every = every
        self._sums: dict[str, float] = defaultdict(float)
        self._count = 0
        self._start = time.monotonic()

    def add(self, step: int, **figures: float) -> None:
        """Record one step's figures."""
        self._count += 1
        for name, value in figures.items():
            self._sums[name] += value
        if step % self._every == 0:
            row: dict[str, float] = {"step": step, "seconds": round(time.monotonic() - self._start, 1)}
            row |= {name: round(value / self._count, 5) for name, value in self._sums.items()}
            self._file.write(json.dumps(row) + "\n")
            self._file.flush()
            log.info("%s", row)
            self._sums.clear()
            self._count = 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()
