"""``mmtune judge`` with a judge behind an endpoint, and what it gives for ``judged_files``."""

from __future__ import annotations

import json
from pathlib import Path

from mmtune import cli
from tests.commands import run
from tests.endpoints import Server
from tests.judged_files import Judged

ATTEMPTS = 2
"""How often an impatient judge is asked for one verdict."""
EXPECTED = {
    "mmvet": ("total", 2 / 3),
    "llavabench": ("relative", (16 * 6 + 8 * 2) / (24 * 8)),
    "mmhal": ("rating", (16 * 6 + 8 * 1) / 24),
    "hallusionbench": ("accuracy", 2 / 3),
}
"""Benchmark → its primary metric and the value that a right judge gives."""


def judge(server: Server, case: Judged, out: Path, *more: str) -> dict:
    """The result of a run of the command."""
    words = [*case.words, "--judge", f"openai:{server.url}#asked", "--out", str(out), "--json", *more]
    return json.loads(run(words, out.parent))


def fails(capsys, words: list[str]) -> str:
    """What a command says that ends as a user's mistake."""
    assert cli.main(words) == 2
    return capsys.readouterr().err


def rows(path: Path) -> list[dict]:
    """The objects of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
