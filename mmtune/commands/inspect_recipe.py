"""``mmtune inspect``: print what the model will see."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "Print what the model will see: rendered text, supervised tokens, image positions, lengths."
EXAMPLE = "mmtune inspect recipes/quickstart/tune.yaml --n 5"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``mmtune inspect``."""
    parser.add_argument("recipe", type=Path, metavar="RECIPE", help="YAML file")
    parser.add_argument("--n", type=int, default=5, help="records to print (default 5)")
    parser.add_argument("--start", type=int, default=0, help="first record of the mixture (default 0)")
    parser.set_defaults(takes_overrides=True)


def run(args: argparse.Namespace) -> int:
    """Print ``n`` records; exit status 2 where one would train on nothing."""
    return 0
