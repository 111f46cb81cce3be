"""``mmtune data``: what is done with records between building and training, one file a verb."""

from __future__ import annotations

import argparse
import importlib

SUMMARY = "Check, clean, choose, mix, ship and look at records before anything trains on them."
EXAMPLE = """
mmtune data check my-data.json --image-root images/
mmtune data dedup my-data.json --image-root images/ --out clean.jsonl
mmtune data shards clean.jsonl --image-root images/ --out shards/
"""

_VERBS = (
    "check",
    "dedup",
    "decontaminate",
    "reward",
    "score",
    "select",
    "restyle",
    "mix",
    "shards",
    "card",
    "browse",
    "export-preferences",
)
ACTIONS: dict[str, str] = {name: f"mmtune.commands.data.{name.replace('-', '_')}" for name in _VERBS}
"""Each verb and its module, in the order in which a data set goes through them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A parser of its own for each verb."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=type(parser))
    for name, place in ACTIONS.items():
        module = importlib.import_module(place)
        example = "\n".join(f"  {line}" for line in module.EXAMPLE.strip().splitlines())
        sub = actions.add_parser(
            name, help=module.SUMMARY, description=module.SUMMARY, epilog=f"example:\n{example}"
        )
        module.add_arguments(sub)
        sub.set_defaults(
            run=module.run, options=[word for action in sub._actions for word in action.option_strings]
        )


def run(args: argparse.Namespace) -> int:
    """Never reached: every verb has a ``run`` of its own."""
    raise AssertionError(args.action)
