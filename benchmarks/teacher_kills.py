"""Kills a build with a teacher at random moments, resumes it, and compares its records with a whole build's.

    PYTHONPATH=. python benchmarks/teacher_kills.py --kills 20

The teacher is an endpoint on loopback whose answers depend on what is asked alone. Every moment is new.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.endpoints import Server, serve
from tests.killed_builds import kill_and_go_on, start


def main() -> int:
    """Print how often the build was killed, and whether the records are the same."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**6)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, serve(Server(delay_s=0.01)) as server:
        whole, broken = Path(name) / "whole", Path(name) / "broken"
        start(server.url, whole).wait()
        requests = len(server.bodies)
        struck, asked = kill_and_go_on(
            server.url, broken, arguments.kills, lambda: len(server.bodies), requests, arguments.seed
        )
        same = all(
            (broken / file).read_bytes() == (whole / file).read_bytes()
            for file in ("records.jsonl", "rejected.jsonl", "failures.jsonl")
        )
        verdict = "the same" if same else "NOT the same"
        records = len((broken / "records.jsonl").read_text().splitlines())
    print(f"killed {struck} times (seed {arguments.seed}): {records} records, {verdict}")
    print(f"requests: {requests} unbroken, {asked} with the kills")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
