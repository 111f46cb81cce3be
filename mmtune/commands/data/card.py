"""``mmtune data card``: what a data set holds, how it is balanced, whose licence it is under."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmtune.commands.data.arguments import say, spare_inputs, take_file
from mmtune.commands.data.licence_names import licence_names, take_licence_names
from mmtune.wording import counted

SUMMARY = "Write a data set's card: contents, balance of answers, blind guesses, licences."
EXAMPLE = """
mmtune data card clean.jsonl --out card.md
mmtune data card clean.jsonl --out card.md --require-licence --licences names.json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``mmtune data card``."""
    take_file(parser, image_root=False)
    parser.add_argument(
        "--out", type=Path, required=True, help="the card (.md); its figures go beside it (.json)"
    )
    parser.add_argument("--name", help="the data set's name (default: the file's)")
    parser.add_argument(
        "--require-licence", action="store_true", help="fail where a record's licence is unknown"
    )
    take_licence_names(parser)


def run(args: argparse.Namespace) -> None:
    """Write the card and print where it is."""
    from data_builders.card import make_card, write_card

    spare_inputs([args.path], [args.out, args.out.with_suffix(".json")])
    card = make_card(args.path, args.name, licence_names(args), args.require_licence)
    write_card(card, args.out)
    for problem in card.problems[:10]:
        say(f"{args.path}, {problem}")
    say(
        f"{args.out}: {counted(card.records, 'record')}, {counted(len(card.problems), 'row')}"
        f" that cannot be used;"
        f" {card.licence}"
    )
