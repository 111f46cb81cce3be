"""The argument RECIPE and the recipe's own keys, for the verbs that read a recipe."""

from __future__ import annotations

import argparse

TOP_KEYS = ("template", "objective", "seed", "out", "tensorboard")
"""Keys of a recipe without a dot; those with one are taken by ``mmtune.cli.split_overrides``."""


def take_recipe_keys(parser: argparse.ArgumentParser) -> None:
    """Let a verb take any key of a recipe as an option; ``overrides_of`` gives them back."""
    group = parser.add_argument_group(
        "recipe keys",
        "any key of the recipe, as --optim.lr 1e-4; `mmtune train --keys` lists them with their defaults",
    )
    for key in TOP_KEYS:
        group.add_argument(f"--{key}", dest=f"recipe_key_{key}", metavar="VALUE", help=argparse.SUPPRESS)
    group.add_argument("--part.key", dest="_", metavar="VALUE", help="set this key of the recipe")
    parser.set_defaults(takes_overrides=True)


def overrides_of(args: argparse.Namespace) -> list[str]:
    """All recipe keys of a command line, as ``--key=value``."""
    given = {key: getattr(args, f"recipe_key_{key}") for key in TOP_KEYS}
    return [f"--{key}={value}" for key, value in given.items() if value is not None] + args.overrides
