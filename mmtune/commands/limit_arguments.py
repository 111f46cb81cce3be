"""The options by which an endpoint is paid and not asked too fast: the same for teachers and judges."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def take_limits(group: argparse._ArgumentGroup, who: str) -> None:
    """How fast somebody may be asked, with which key, for how much.

    Args:
        group: gets the options.
        who: what the help calls it: teacher or judge.
    """
    group.add_argument("--concurrency", type=int, default=16, help="requests under way at once (default 16)")
    group.add_argument("--requests-per-minute", type=int, help="at most (default: no limit)")
    group.add_argument("--tokens-per-minute", type=int, help="at most, read and written (default: no limit)")
    group.add_argument(
        "--key-variable",
        default="OPENAI_API_KEY",
        help="environment variable that holds the key (default OPENAI_API_KEY)",
    )
    group.add_argument("--price-in", type=float, help=f"of a million tokens that the {who} reads")
    group.add_argument("--price-out", type=float, help="of a million tokens that it writes")
    group.add_argument("--max-budget", type=float, help="what all runs into this folder may cost")
    group.add_argument(
        "--cache", type=Path, metavar="FILE", help="replies that were paid for (default: beside the output)"
    )


def take_dry_run(group: argparse._ArgumentGroup) -> None:
    """``--dry-run``: what it would cost."""
    group.add_argument(
        "--dry-run",
        action="store_true",
        help="only say how many requests and tokens it would be, and the price",
    )


def limits_of(args: argparse.Namespace) -> dict[str, Any]:
    """The fields of ``Hiring`` that ``take_limits`` asks for."""
    names = (
        "concurrency",
        "requests_per_minute",
        "tokens_per_minute",
        "key_variable",
        "price_in",
        "price_out",
        "max_budget",
        "cache",
    )
    return {name: getattr(args, name) for name in names}
