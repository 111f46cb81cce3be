"""What a benchmark asks about which image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class BenchmarkItem:
    """One question of a benchmark."""

    benchmark: str
    id: str
    image: str | None
    """Path relative to ``root``; None for a question without an image."""
    root: Path
    question: str
