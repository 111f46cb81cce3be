"""``mmtune build``: write a data set."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from data_builders import BUILDERS, get_builder

SUMMARY = "Build data: images, records and benchmark files in their official formats."
EXAMPLE = """
mmtune build miniworld --out OUT/data
mmtune build miniworld --out OUT/data --seed 1 --train-scenes 20000 --workers 8
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``mmtune build``."""
    parser.add_argument("builder", choices=list(BUILDERS), help="what to build")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--seed", type=int, default=0, help="same seed and counts, same files (default 0)")
    parser.add_argument("--train-scenes", type=int, default=8000, help="scenes to train on (default 8000)")
    parser.add_argument("--val-scenes", type=int, default=200, help="scenes to validate on (default 200)")
    parser.add_argument("--test-scenes", type=int, default=400, help="scenes of the benchmarks (default 400)")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes (default: all cores)")


def run(args: argparse.Namespace) -> None:
    """Build and say what is there."""
    from mmtune.progress import Progress

    with Progress(None, "build scenes", unit="scene") as progress:

        def show(done: int, total: int) -> None:
            progress.total = total
            progress.advance(done - progress.done)

        manifest = get_builder(args.builder)(
            args.out,
            train_scenes=args.train_scenes,
            val_scenes=args.val_scenes,
            test_scenes=args.test_scenes,
            seed=args.seed,
            workers=args.workers,
            progress=show,
        )
    counts = ", ".join(f"{name} {count}" for name, count in manifest.counts.items())
    sys.stdout.write(f"{args.out}: {counts}\n")
