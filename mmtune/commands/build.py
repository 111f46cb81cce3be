"""``mmtune build``: write a data set."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "Build data: records, images and benchmark files in their official formats."
EXAMPLE = "mmtune build miniworld --out OUT/data --seed 0"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``mmtune build``."""
    parser.add_argument("builder", choices=["miniworld"], help="what to build")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same files (default 0)")


def run(args: argparse.Namespace) -> None:
    """Build and say where the files are."""
    from data_builders.miniworld import build

    build(args.out, seed=args.seed)
