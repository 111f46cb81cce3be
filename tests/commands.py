"""``mmtune`` as a test runs it: in this process, in a folder of its own."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path

from mmtune import cli


def run(words: list[str], folder: Path) -> str:
    """What a command prints, run in ``folder``."""
    before, out = Path.cwd(), io.StringIO()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(out):
            assert cli.main(words) == 0, words
    finally:
        os.chdir(before)
    return out.getvalue()
