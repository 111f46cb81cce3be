"""``mmtune quickstart``: the main job on the embedded data."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

SUMMARY = "Build data, align, tune, evaluate and report on the embedded miniworld; no download."
EXAMPLE = "mmtune quickstart --out OUT/quickstart"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``mmtune quickstart``."""
    parser.add_argument("--out", type=Path, help="folder (default OUT/quickstart, or OUT/quickstart-smoke)")
    parser.add_argument(
        "--scale",
        choices=["full", "smoke"],
        default="full",
        help="smoke: the same path on tiny counts, a minute",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the data and of training (default 0)")


def run(args: argparse.Namespace) -> None:
    """Run all phases; phases that are finished and unchanged are not run again."""
    from mmtune.quickstart import run as run_quickstart

    out = args.out or Path("OUT/quickstart" if args.scale == "full" else f"OUT/quickstart-{args.scale}")
    report, results = run_quickstart(out, scale=args.scale, seed=args.seed)
    from mmtune.commands.metrics_table import show_metrics

    show_metrics(results)
    sys.stdout.write(f"report: {report}\n")
