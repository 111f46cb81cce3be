"""``mmtune train``: one stage from a recipe."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmtune.commands.recipe_argument import overrides_of, take_recipe_keys
from mmtune.errors import UserError

SUMMARY = "Train one stage from a recipe; any key of the recipe can be given on the command line."
EXAMPLE = """
mmtune train --keys
mmtune train recipes/llava15/7b-tune.yaml --dry-run
mmtune train my-recipe.yaml --optim.lr 1e-4 --data.max_tokens 1024
torchrun --nproc-per-node 8 -m mmtune train my-recipe.yaml --engine.name zero3
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``mmtune train``."""
    parser.add_argument("recipe", type=Path, metavar="RECIPE", nargs="?", help="YAML file")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="build the model without weights, print its parts, check data and template, and stop",
    )
    parser.add_argument("--keys", action="store_true", help="print every key with its default, and stop")
    take_recipe_keys(parser)


def run(args: argparse.Namespace) -> int:
    """Train to the end of the stage; an interrupted run saves first and exits with 130.

    A dry run that finds what would stop the training exits with 2.
    """
    if args.keys:
        from mmtune.train.settings_help import describe_settings

        sys.stdout.write(describe_settings() + "\n")
        return 0
    if args.recipe is None:
        raise UserError("The recipe is missing", fix="give a YAML file, as in `mmtune train my-recipe.yaml`")
    from mmtune.train.recipe import load_recipe

    recipe = load_recipe(args.recipe, overrides_of(args))
    from eval.in_training import open_benchmarks

    if args.dry_run:
        from mmtune.train.dry_run import dry_run

        problems: list[UserError] = []
        sys.stdout.write(dry_run(recipe, problems, open_benchmarks) + "\n")
        return UserError.exit_status if problems else 0
    from mmtune.train.loop import train

    return 130 if train(recipe, open_benchmarks).interrupted else 0
