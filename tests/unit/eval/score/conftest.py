"""VQAv2's own files, which stand for a benchmark where it does not matter which."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import benchmark_files


@pytest.fixture
def vqa(tmp_path: Path) -> benchmark_files.Files:
    """Questions, annotations and right answers."""
    return benchmark_files.write("vqav2", tmp_path)
