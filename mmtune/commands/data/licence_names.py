"""The option ``--licences``: names of licences that only the user knows the meaning of."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from mmtune.errors import UserError


def take_licence_names(parser: argparse.ArgumentParser) -> None:
    """Let a verb take a file of licences' names."""
    parser.add_argument(
        "--licences",
        type=Path,
        metavar="JSON",
        help='what further names stand for, as {"Flickr 4": "CC-BY-2.0", "ours": "permissive"}',
    )


def licence_names(args: argparse.Namespace) -> dict[str, str]:
    """The names in the file, or none.

    Raises:
        UserError: the file is no JSON object of texts, or a text stands for nothing that is known.
    """
    if args.licences is None:
        return {}
    from data_builders.licences import UNKNOWN, class_of

    try:
        names = json.loads(args.licences.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"the file of licences cannot be read: {error}", str(args.licences)) from error
    if not isinstance(names, dict) or not all(isinstance(value, str) for value in names.values()):
        raise UserError("the file of licences is not an object of texts", str(args.licences))
    for name, meaning in names.items():
        if class_of(meaning) == UNKNOWN:
            raise UserError(f"{name!r} stands for {meaning!r}, which is not known", str(args.licences))
    return names
