"""A build with a teacher in a process of its own, which is killed at random moments and goes on.

As a program: ``python tests/killed_builds.py URL FOLDER [SCENES]`` builds, with scenes a preference builder;
it is what is killed.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
UNITS = 60


def units() -> list[object]:
    """Units of two steps, the second of two requests that follow from the first answer."""
    from data_builders.teachers.base import Message, Request
    from data_builders.teachers.building import Built, Rejection, Steps, Unit

    def steps(name: str) -> Steps:
        (first,) = yield [Request("q", (Message("user", f"ask about {name}"),))]
        more = yield [Request(f"a{n}", (Message("user", f"{n} {first.text}"),)) for n in range(2)]
        rows = tuple({"id": f"{name}-{place}", "text": reply.text} for place, reply in enumerate(more))
        return Built(rows, (Rejection(name, "an example", first.text),))

    return [Unit(f"u{number}", "1", lambda name=f"u{number}": steps(name)) for number in range(UNITS)]


def main(url: str, folder: Path) -> None:
    """Build in ``folder``, with the endpoint at ``url``."""
    from data_builders.teachers.building import build
    from data_builders.teachers.cache import Cached, ReplyStore
    from data_builders.teachers.ledger import Ledger
    from data_builders.teachers.openai_compatible import Endpoint, OpenAICompatible

    folder.mkdir(parents=True, exist_ok=True)
    teacher = OpenAICompatible(Endpoint(url, "m", concurrency=4), Ledger(folder / "ledger.sqlite"))
    build(units(), Cached(teacher, ReplyStore(folder / "cache.sqlite")), folder, at_once=8)  # type: ignore[arg-type]


def prefer(url: str, folder: Path, scenes: Path) -> None:
    """Build preferences in ``folder``, with the endpoint at ``url``."""
    from data_builders.preference import PREFERENCE
    from data_builders.prompted.launching import launch

    launch(PREFERENCE["rlaif_v"], out=folder, inputs=[scenes], teacher=url, model="m", concurrency=4)


def start(url: str, folder: Path, *scenes: Path) -> subprocess.Popen[bytes]:
    """A process that builds."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, __file__, url, str(folder), *map(str, scenes)], env=environment)


def kill_and_go_on(
    url: str,
    folder: Path,
    kills: int,
    asked: Callable[[], int],
    requests: int,
    seed: int,
    scenes: Sequence[Path] = (),
) -> tuple[int, int]:
    """Kill a build ``kills`` times, each soon after a random number of requests, then let it finish.

    Args:
        url: of the endpoint.
        folder: of the build.
        kills: how often.
        asked: how many requests the endpoint has seen.
        requests: of a whole build.
        seed: of the moments.
        scenes: of a preference build.

    Returns:
        How often the build was killed before it was finished, and the requests that the endpoint saw.
    """
    chance, before, struck = random.Random(seed), asked(), 0
    moments = sorted(chance.uniform(0, requests) for _ in range(kills))
    for moment in moments:
        process = start(url, folder, *scenes)
        while process.poll() is None and asked() - before < moment:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.03))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            struck += 1
        process.wait()
    assert start(url, folder, *scenes).wait() == 0
    return struck, asked() - before


if __name__ == "__main__":
    (prefer if sys.argv[3:] else main)(sys.argv[1], *map(Path, sys.argv[2:]))
