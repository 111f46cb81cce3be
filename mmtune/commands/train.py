"""``mmtune train``: one stage from a recipe."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "Train one stage from a recipe; any key of the recipe can be given on the command line."
EXAMPLE = """
mmtune train recipes/llava15/7b-tune.yaml --dry-run
mmtune train my-recipe.yaml --optim.lr 1e-4 --data.max_tokens 1024
torchrun --nproc-per-node 8 -m mmtune train my-recipe.yaml --engine.name zero3
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``mmtune train``."""
    parser.add_argument("recipe", type=Path, metavar="RECIPE", help="YAML file")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="build the model without weights, print its parts, check data and template, and stop",
    )
    parser.add_argument(
        "--settings", action="store_true", help="print the recipe with all its keys, and stop"
    )
    parser.set_defaults(takes_overrides=True)


def run(args: argparse.Namespace) -> int:
    """Train to the end of the stage; an interrupted run saves first and exits with 130."""
    from mmtune.train.recipe import load_recipe

    recipe = load_recipe(args.recipe, args.overrides)
    if args.dry_run:
        from mmtune.train.dry_run import dry_run

        dry_run(recipe)
        return 0
    from mmtune.train.loop import train

    return 130 if train(recipe).interrupted else 0
