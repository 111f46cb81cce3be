"""What every writer uses: where a benchmark's files lie, how many items it has, and how rows are written."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

SIZE = 24
"""Items of each."""


COLOURS = ("red", "green", "blue", "white")


LETTERS = "ABCD"


@dataclass
class Files:
    """A benchmark's files."""

    annotations: Path
    answers: Path
    settings: str = ""
    """What follows the task's name on the command line, as ``choices=FILE``."""
    questions: Path | None = None
    """The questions, where a benchmark keeps them apart: what asking needs and scoring does not."""
    perfect: dict[str, float] = field(default_factory=dict)
    """Metrics that all right answers give, besides the primary one."""
    items: int = SIZE


def dump(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return path


def rows(path: Path, values: list[dict[str, Any]]) -> Path:
    path.write_text(
        "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values), encoding="utf-8"
    )
    return path


def colour(number: int) -> str:
    return COLOURS[number % 4]


def picture(number: int) -> str:
    """A small image in base64."""
    file = io.BytesIO()
    Image.new("RGB", (16, 16), colour(number)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()
