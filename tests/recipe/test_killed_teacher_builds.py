"""A build with a teacher that is killed again and again ends with the records of one that never was."""

from __future__ import annotations

import json
from pathlib import Path

from tests.endpoints import Server, serve
from tests.killed_builds import UNITS, kill_and_go_on, start


def test_killed_builds_lose_and_double_nothing(tmp_path: Path) -> None:
    whole, broken, kills = tmp_path / "whole", tmp_path / "broken", 4
    with serve(Server(delay_s=0.01)) as server:
        assert start(server.url, whole).wait() == 0
        requests = len(server.bodies)
        assert requests == 3 * UNITS
        struck, asked = kill_and_go_on(
            server.url, broken, kills, lambda: len(server.bodies), requests, seed=7
        )
    assert struck == kills
    for name in ("records.jsonl", "rejected.jsonl", "failures.jsonl"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes()
    rows = [json.loads(line) for line in (broken / "records.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == [f"u{unit}-{place}" for unit in range(UNITS) for place in range(2)]
    # Only what was under way at a kill is asked a second time.
    assert requests <= asked <= requests + kills * 4
