"""``scripts/setup.sh`` finds by its stamps that everything is there, whichever script made it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("made", "wanted", "ready"),
    [("run", "run", True), ("test", "run", True), ("test", "test", True), ("run", "test", False)],
)
def test_what_was_set_up_is_not_set_up_again(tmp_path: Path, made: str, wanted: str, ready: bool) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    lines = [
        f"source {ROOT}/scripts/setup.sh",
        'key="$(stamp_key "$(find_python)")"',
        f'echo "$key" > "$VENV/.stamp-{made}"',
        f'set -euo pipefail; is_set_up {wanted} "$key" && echo ready',
    ]
    done = subprocess.run(
        ["bash", "-c", "\n".join(lines)],
        env={**os.environ, "MMTUNE_VENV": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout.strip() == "ready") is ready, done.stderr
