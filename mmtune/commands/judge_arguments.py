"""The options by which a judge is named and paid."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mmtune.errors import UserError

if TYPE_CHECKING:
    from data_builders.teachers.opening import Hiring


def take_judge(parser: argparse.ArgumentParser) -> None:
    """Who judges, by which prompt, how fast, for how much."""
    group = parser.add_argument_group("judge")
    group.add_argument("--judge", metavar="JUDGE", help=JUDGE_HELP)
    group.add_argument(
        "--prompt",
        type=Path,
        metavar="FILE",
        help="in the place of the prompt that ships (eval/judges/prompts)",
    )
    group.add_argument(
        "--runs", type=int, metavar="N", help="ask everything this often, each with its own seed"
    )
    group.add_argument("--no-swap", action="store_true", help="compare two answers in one order only")
    group.add_argument(
        "--show-images", action="store_true", help="let the judge see the images (images=FOLDER)"
    )
    group.add_argument("--temperature", type=float, help="of the replies (default 0)")
    group.add_argument("--max-tokens", type=int, help="of a reply (default: what the benchmark's form needs)")
    group.add_argument("--concurrency", type=int, default=16, help="requests under way at once (default 16)")
    group.add_argument("--requests-per-minute", type=int, help="at most (default: no limit)")
    group.add_argument("--tokens-per-minute", type=int, help="at most, read and written (default: no limit)")
    group.add_argument("--timeout", type=float, default=300.0, help="seconds for one attempt (default 300)")
    group.add_argument(
        "--key-variable",
        default="OPENAI_API_KEY",
        help="environment variable that holds the key (default OPENAI_API_KEY)",
    )
    group.add_argument("--price-in", type=float, help="of a million tokens that the judge reads")
    group.add_argument("--price-out", type=float, help="of a million tokens that it writes")
    group.add_argument("--max-budget", type=float, help="what all runs into this folder may cost")
    group.add_argument(
        "--cache", type=Path, metavar="FILE", help="replies that were paid for (default: in the folder)"
    )
    group.add_argument(
        "--dry-run",
        action="store_true",
        help="only say how many requests and tokens it would be, and the price",
    )


JUDGE_HELP = (
    "openai:URL#MODEL, an OpenAI-compatible endpoint; batch#MODEL, batch files; a checkpoint's folder; or"
    " rules, no model at all: for rehearsals"
)


def hiring_of(args: argparse.Namespace) -> Hiring | None:
    """The judge that was asked for; None where none was."""
    if args.judge is None:
        return None
    from data_builders.teachers.opening import Hiring

    place, model = place_of(args.judge)
    return Hiring(
        place,
        model,
        temperature=args.temperature or 0.0,
        concurrency=args.concurrency,
        requests_per_minute=args.requests_per_minute,
        tokens_per_minute=args.tokens_per_minute,
        key_variable=args.key_variable,
        price_in=args.price_in,
        price_out=args.price_out,
        max_budget=args.max_budget,
        cache=args.cache,
        timeout_s=args.timeout,
    )


def place_of(judge: str) -> tuple[str, str | None]:
    """Place and model of a judge as the command line names it.

    Raises:
        UserError: for an endpoint without a model, or what is no judge.
    """
    kind, _, rest = judge.partition(":")
    if kind == "openai":
        place, _, model = rest.partition("#")
        if not place or not model:
            raise UserError("The judge's model is not named", judge, "write openai:URL#MODEL")
        return place, model
    place, _, model = judge.partition("#")
    if place == "batch":
        if not model:
            raise UserError("The judge's model is not named", judge, "write batch#MODEL")
        return place, model
    if place == "rules" or Path(judge).is_dir():
        return judge, None
    raise UserError("This names no judge", judge, "write openai:URL#MODEL, or name a checkpoint's folder")
