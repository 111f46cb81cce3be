"""How many scenes a second one core makes: drawn, asked about, and written as a whole data set.

Run: python benchmarks/miniworld_speed.py [SCENES]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from data_builders.draws import Draws
from data_builders.miniworld.conversations import conversation
from data_builders.miniworld.dataset import build
from data_builders.miniworld.questions.balance import Ledger
from data_builders.miniworld.world import World


def measure(name: str, scenes: int, work: Callable[[], object]) -> None:
    """Print the rate of a piece of work, by wall clock and by processor time."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    print(f"{name:<28} {scenes / wall:8.0f} scenes/s   {scenes / processor:8.0f} scenes/s of processor time")


def main(count: int = 2000) -> None:
    """Measure each step after a warm-up that fills the caches."""
    world = World()
    for index in range(500):
        world.render(world.scene(index))
    scenes = [world.scene(index) for index in range(count)]
    ledger = Ledger()
    measure("scene", count, lambda: [world.scene(index) for index in range(count)])
    measure("scene and picture", count, lambda: [world.render(world.scene(index)) for index in range(count)])
    measure(
        "conversation", count, lambda: [conversation(s, Draws(1, i), ledger) for i, s in enumerate(scenes)]
    )
    with tempfile.TemporaryDirectory() as folder:
        sizes = {"train_scenes": count, "test_scenes": 1, "val_scenes": 1}
        measure("whole data set, one process", count, lambda: build(Path(folder), **sizes))


if __name__ == "__main__":
    main(*[int(argument) for argument in sys.argv[1:2]])
