"""The options by which a verb of ``mmtune data`` is given a teacher."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from data_builders.teachers.opening import Hiring


def take_teacher(parser: argparse.ArgumentParser, costs: bool = True) -> None:
    """Which teacher, how fast, for how much; with ``costs`` images are sent and a dry run tells the price."""
    group = parser.add_argument_group("teacher")
    group.add_argument(
        "--teacher",
        help="who is asked: an address that ends in /v1, batch (files), rules (no model: for tests), or a"
        " checkpoint's folder",
    )
    group.add_argument("--teacher-model", metavar="NAME", help="as the endpoint names it")
    group.add_argument("--temperature", type=float, default=0.0, help="of the answers (default 0)")
    group.add_argument("--max-tokens", type=int, default=512, help="of an answer (default 512)")
    group.add_argument("--concurrency", type=int, default=16, help="requests under way at once (default 16)")
    group.add_argument("--requests-per-minute", type=int, help="at most (default: no limit)")
    group.add_argument("--tokens-per-minute", type=int, help="at most, read and written (default: no limit)")
    group.add_argument(
        "--key-variable",
        default="OPENAI_API_KEY",
        help="environment variable that holds the key (default OPENAI_API_KEY)",
    )
    group.add_argument("--price-in", type=float, help="of a million tokens that the teacher reads")
    group.add_argument("--price-out", type=float, help="of a million tokens that it writes")
    group.add_argument("--max-budget", type=float, help="what all runs into this folder may cost")
    group.add_argument(
        "--cache", type=Path, metavar="FILE", help="answers that were paid for (default: beside the output)"
    )
    if not costs:
        return
    group.add_argument("--text-only", action="store_true", help="send no images: the teacher reads only")
    group.add_argument(
        "--dry-run",
        action="store_true",
        help="only say how many requests and tokens it would be, and the price",
    )


def hiring_of(args: argparse.Namespace) -> Hiring:
    """The teacher that was asked for."""
    from data_builders.teachers.opening import Hiring

    return Hiring(
        args.teacher,
        args.teacher_model,
        args.max_tokens,
        args.temperature,
        concurrency=args.concurrency,
        requests_per_minute=args.requests_per_minute,
        tokens_per_minute=args.tokens_per_minute,
        key_variable=args.key_variable,
        price_in=args.price_in,
        price_out=args.price_out,
        max_budget=args.max_budget,
        cache=args.cache,
    )
