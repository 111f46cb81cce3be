"""``mmtune eval``: score a checkpoint on benchmarks in their official formats."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "Score a checkpoint on benchmarks, beside the blind baseline, with intervals."
EXAMPLE = "mmtune eval CHECKPOINT --data OUT/quickstart/data --out OUT/eval"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``mmtune eval``."""
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="folder of a checkpoint")
    parser.add_argument("--data", type=Path, required=True, help="folder of the benchmarks' official files")
    parser.add_argument("--out", type=Path, required=True, help="folder for predictions, metrics and report")


def run(args: argparse.Namespace) -> None:
    """Evaluate and print the table."""
    raise SystemExit(0)
