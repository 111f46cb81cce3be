"""The options by which an answer file is laid beside its benchmark: the same for scores and judges."""

from __future__ import annotations

import argparse


def take_answers(parser: argparse.ArgumentParser, verb: str) -> None:
    """What to do with answers that are missing or too many, the draws, and how to print.

    Args:
        parser: gets the options.
        verb: what is done with the answers: score or judge.
    """
    parser.add_argument(
        "--missing",
        choices=("refuse", "wrong", "skip"),
        default="refuse",
        help="items without an answer: refuse the file (default), count them wrong,"
        f" or {verb} the others only",
    )
    parser.add_argument(
        "--extra",
        choices=("refuse", "ignore"),
        default="refuse",
        help="answers to items that the benchmark does not have: refuse the file (default), or ignore them",
    )
    parser.add_argument("--resamples", type=int, default=1000, help="draws of the bootstrap (default 1000)")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
