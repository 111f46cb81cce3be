"""``scripts/setup.sh``: what is there is not made again, and uv is told what pip is told."""

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


def test_uv_is_told_what_pip_is_told(tmp_path: Path) -> None:
    """Of pip's files and its variables, which go first; uv's own variables stay as they are."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nindex-url = http://127.0.0.1:1/simple\ntimeout = 7\n"
        "cert = /etc/own.pem\nfind-links = /in/the/file\nextra-index-url = file:///a/simple file:///b/simple\n"
    )
    names = {
        name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "SSL_"))
    }
    told = {"PIP_CONFIG_FILE": str(config), "PIP_FIND_LINKS": "/of/the/variable", "UV_HTTP_TIMEOUT": "9"}
    done = subprocess.run(
        ["bash", "-c", f"set -euo pipefail; source {ROOT}/scripts/setup.sh; tell_uv; env"],
        env={**names, **told, "MMTUNE_VENV": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    found = dict(line.split("=", 1) for line in done.stdout.splitlines() if line.startswith(("UV_", "SSL_")))
    assert found == {
        "UV_DEFAULT_INDEX": "http://127.0.0.1:1/simple",
        "UV_INDEX": "file:///a/simple file:///b/simple",
        "UV_FIND_LINKS": "/of/the/variable",
        "UV_HTTP_TIMEOUT": "9",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "SSL_CERT_FILE": "/etc/own.pem",
    }, done.stderr
