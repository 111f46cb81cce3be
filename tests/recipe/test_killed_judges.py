"""A judge's run that is killed again and again ends with the judgements of one that never was."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests import judged_files
from tests.endpoints import Server, serve
from tests.judged_files import Judged, said_by_the_judge

ROOT = Path(judged_files.__file__).parents[1]
AT_ONCE, KILLS = 3, 4


def start(case: Judged, url: str, out: Path) -> subprocess.Popen[bytes]:
    words = [*case.words, "--judge", f"openai:{url}#m", "--out", str(out), "--concurrency", str(AT_ONCE)]
    command = [sys.executable, "-m", "mmtune", *words, "--runs", "2"]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_killed_judges_lose_nothing_and_ask_nothing_twice_but_what_was_under_way(tmp_path):
    case = judged_files.write("llavabench", tmp_path / "files")
    whole, broken, draw = tmp_path / "whole", tmp_path / "broken", random.Random(3)
    with serve(Server(write=said_by_the_judge, delay_s=0.02)) as server:
        assert start(case, server.url, whole).wait(120) == 0
        requests = len(server.bodies)
        assert requests == 4 * case.items
        for strike in range(KILLS):
            until = len(server.bodies) + draw.randint(2, requests // KILLS - AT_ONCE)
            process = start(case, server.url, broken)
            while len(server.bodies) < until:
                assert process.poll() is None, strike
                time.sleep(0.002)
            os.kill(process.pid, signal.SIGKILL)
            process.wait(60)
            assert not (broken / "judged.json").exists()
        assert start(case, server.url, broken).wait(120) == 0
        asked = len(server.bodies) - requests
    for name in ("judgements.jsonl", "verdicts.jsonl", "judged.json"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes()
    assert requests <= asked <= requests + KILLS * AT_ONCE
