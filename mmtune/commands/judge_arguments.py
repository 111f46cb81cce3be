"""The options by which a judge is named and paid."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mmtune.commands.limit_arguments import limits_of, take_dry_run, take_limits
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
    group.add_argument("--timeout", type=float, default=300.0, help="seconds for one attempt (default 300)")
    take_limits(group, "judge")
    take_dry_run(group)


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
        timeout_s=args.timeout,
        **limits_of(args),
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
