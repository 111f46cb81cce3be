"""An evaluation in processes of its own, which are killed at random moments, and the next goes on.

As a program, ``python tests/killed_evals.py FOLDER KILLS``: loads a checkpoint once and forks, so that a start
costs milliseconds. ``FOLDER`` has the checkpoint and a world of official files; ``whole`` and ``killed`` are
made in it. Prints how often a process was struck, and for each process what it asked and what was answered after it.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

BATCH = 4


def evaluate_in(folder: Path, out: Path, engine: Any, log: Path) -> None:
    """Evaluate, and log the question of every prompt that the language model is about to read."""
    from eval import runner
    from eval.backends.checkpoint import Checkpoint
    from eval.tasks import build_tasks
    from mmtune.decode.reading import Reader

    asked: list[Any] = []
    ask, read, follow = Checkpoint.ask, Reader.read, Reader.follow

    def noting(self: Checkpoint, asks: Any) -> Any:
        asked[:] = asks
        return ask(self, asks)

    def logging(self: Reader, trunks: Any) -> Any:
        with log.open("a") as file:
            for trunk in trunks:
                for source in trunk.sources:
                    file.write(json.dumps([asked[source.index].image, asked[source.index].text]) + "\n")
        return read(self, trunks)

    def slowly(self: Reader, reads: Any, tokens: Any) -> Any:
        time.sleep(0.005)  # so that the process is still at work when it is struck
        return follow(self, reads, tokens)

    Checkpoint.ask, Reader.read, Reader.follow = noting, logging, slowly  # type: ignore[method-assign]
    runner.evaluate(engine, build_tasks(tasks(folder)), out, batch_size=BATCH, resamples=10)


def tasks(folder: Path) -> list[Any]:
    """POPE and VQAv2 of the world in ``folder``."""
    from eval.tasks import TaskConfig

    root = folder / "world"
    images = str(root / "images")
    pope = TaskConfig("pope", str(root / "coco_pope_random.json"), images, max_new_tokens=3)
    vqa = TaskConfig("vqav2", str(root / "annotations.json"), images, questions=str(root / "questions.json"))
    return [pope, replace(vqa, max_new_tokens=9)]


def forked(work: Callable[[], None]) -> int:
    """The process that does the work."""
    if process := os.fork():
        return process
    status = 1
    try:
        work()
        status = 0
    finally:
        os._exit(status)


def lines(path: Path) -> int:
    """Whole lines of a file that may not be there yet."""
    return path.read_bytes().count(b"\n") if path.exists() else 0


def main(folder: Path, kills: int) -> None:
    """Run once undisturbed, then with kills, each soon after a random number of answers."""
    from mmtune.decode.engine import Engine

    engine = Engine.from_checkpoint(folder / "checkpoint", "cpu")
    whole, killed = folder / "whole", folder / "killed"
    first = forked(lambda: evaluate_in(folder, whole, engine, folder / "whole.log"))
    assert os.waitpid(first, 0)[1] == 0
    answers = lines(whole / "answered.jsonl")
    chance, runs, struck = random.Random(0), [], 0
    moments = sorted(chance.uniform(0, answers * 0.85) for _ in range(kills))
    for number, moment in enumerate([*moments, float("inf")]):
        log = folder / f"asked{number}.log"
        process = forked(lambda log=log: evaluate_in(folder, killed, engine, log))  # type: ignore[misc]
        while (
            lines(killed / "answered.jsonl") < moment
            and os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        ):
            time.sleep(0.001)
        if moment != float("inf"):
            time.sleep(chance.uniform(0, 0.01))
            os.kill(process, signal.SIGKILL)
        status = os.waitpid(process, 0)[1]
        struck += status == signal.SIGKILL
        runs.append((lines(log), lines(killed / "answered.jsonl")))
    print(json.dumps({"struck": struck, "status": status, "runs": runs, "answers": answers}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
