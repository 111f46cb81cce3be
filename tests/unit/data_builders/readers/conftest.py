"""Files of annotations, and what a reader makes of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data_builders.problems import Problem
from data_builders.readers import read_annotations
from data_builders.scenes import Scene

Read = Callable[..., tuple[list[Scene], list[Problem]]]


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, Any], Path]:
    """Write a file: bytes and text as they are, lists under .jsonl as lines, the rest as JSON."""

    def write(name: str, content: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, str):
            path.write_text(content, encoding="utf-8")
        elif path.suffix == ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in content), encoding="utf-8")
        else:
            path.write_text(json.dumps(content, indent=1), encoding="utf-8")
        return path

    return write


@pytest.fixture
def read() -> Read:
    """All scenes and all problems of some files."""

    def gather(*paths: Path, **settings: Any) -> tuple[list[Scene], list[Problem]]:
        problems: list[Problem] = []
        return list(read_annotations(paths, report=problems.append, **settings)), problems

    return gather


@pytest.fixture
def rows_of_problems() -> Callable[[list[Problem]], dict[str, str]]:
    """Row -> reason."""
    return lambda problems: {problem.row: problem.reason for problem in problems}
