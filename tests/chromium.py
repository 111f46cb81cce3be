"""A page as a browser shows it: headless, without a network."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def find() -> str:
    """The browser; the test is skipped where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    pytest.skip("no chromium on this machine: the page is not looked at in a browser")


def shown(address: str, profile: Path) -> str:
    """The page's elements once its scripts have run."""
    words = [
        find(),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={profile}",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--timeout=20000",
        "--virtual-time-budget=15000",
        "--dump-dom",
        address,
    ]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=True).stdout
