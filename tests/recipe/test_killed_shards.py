"""A build of shards that is killed with SIGKILL goes on and ends with the bytes of one that never was."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data_builders.shards import verify_shards

ROOT = Path(__file__).resolve().parents[2]
SHARDS, RECORDS = 24, 5


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rows")
    for number in range(SHARDS):
        # Builders copy images without opening them, so their size is all that takes time.
        (folder / f"{number}.jpg").write_bytes(b"\xff\xd8\xff" + bytes([number]) * 400_000)
    with (folder / "rows.jsonl").open("w") as out:
        for number in range(SHARDS * RECORDS):
            said = [("human", f"<image>\nWhat is {number}?"), ("gpt", "A number.")]
            turns = [{"from": who, "value": text} for who, text in said]
            row = {"id": f"{number}", "image": f"{number % SHARDS}.jpg", "conversations": turns}
            out.write(json.dumps(row) + "\n")
    return folder / "rows.jsonl"


def start(rows: Path, out: Path) -> subprocess.Popen[bytes]:
    words = ["data", "shards", str(rows), "--records", str(RECORDS), "--out", str(out)]
    return subprocess.Popen(
        [sys.executable, "-m", "mmtune", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
    )


def digests(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


def test_a_build_killed_again_and_again_ends_with_the_same_bytes(rows: Path, tmp_path: Path) -> None:
    assert start(rows, tmp_path / "whole").wait(60) == 0
    out = tmp_path / "killed"
    for last in (0, 7, 15):
        process = start(rows, out)
        sign = out / f"{last:05d}.tar"
        while not sign.exists() and process.poll() is None:
            time.sleep(0.0005)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL, "it was finished before it could be killed"
        assert not (out / "manifest.json").exists()
    taken_over = (out / "00003.tar").stat().st_mtime_ns
    assert start(rows, out).wait(60) == 0
    assert (out / "00003.tar").stat().st_mtime_ns == taken_over, "a finished shard was written again"
    assert digests(out) == digests(tmp_path / "whole") and len(digests(out)) == SHARDS + 2
    assert verify_shards(out) == []
    assert start(rows, out).wait(60) == 0, "a finished build is left as it is"
