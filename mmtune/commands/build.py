"""``mmtune build``: write a data set."""

from __future__ import annotations

import argparse
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from data_builders import BUILDERS, get_builder
from mmtune.errors import UserError

SUMMARY = "Build data: images, records and benchmark files in their official formats."
EXAMPLE = """
mmtune build miniworld --out OUT/data
mmtune build miniworld --out OUT/data --seed 1 --train-scenes 20000 --workers 8
mmtune build photos --out OUT/photos/data
"""

SETTINGS = {
    "seed": "same seed and counts, same files (default 0)",
    "train-scenes": "scenes to train on (default 8000)",
    "val-scenes": "scenes to validate on (default 200)",
    "test-scenes": "scenes of the benchmarks (default 400)",
    "workers": "processes (default: all cores)",
}
"""Whole numbers that a builder may take; their defaults are the builder's own."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``mmtune build``."""
    parser.add_argument("builder", choices=list(BUILDERS), help="what to build")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    for name, meaning in SETTINGS.items():
        parser.add_argument(f"--{name}", type=int, help=meaning)


def run(args: argparse.Namespace) -> None:
    """Build and say what is there."""
    from mmtune.progress import Progress

    builder = get_builder(args.builder)
    settings = _settings(args, builder)
    with Progress(None, f"build {args.builder}", unit="image") as progress:

        def show(done: int, total: int) -> None:
            progress.total = total
            progress.advance(done - progress.done)

        built = builder(args.out, progress=show, **settings)
    counts = ", ".join(f"{name} {count}" for name, count in built.counts.items())
    sys.stdout.write(f"{args.out}: {counts}\n")


def _settings(args: argparse.Namespace, builder: Callable[..., Any]) -> dict[str, int]:
    """The settings that were given, which the builder must take."""
    takes = inspect.signature(builder).parameters
    settings: dict[str, int] = {}
    for name in SETTINGS:
        key = name.replace("-", "_")
        value = getattr(args, key)
        if value is not None and key not in takes:
            raise UserError(f"{args.builder} has no such setting", f"--{name}", "leave the option out")
        if value is not None:
            settings[key] = value
    if "workers" in takes:
        settings.setdefault("workers", os.cpu_count() or 1)
    return settings
