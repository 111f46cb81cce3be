"""``mmtune data export-preferences``: pairs in the format of a trainer, or from one into mmtune's own."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmtune.commands.data.arguments import say
from mmtune.wording import counted

SUMMARY = "Write preferences for TRL, RLAIF-V, POVID, LLaVA-Hound or mllm-dpo, or read theirs."
EXAMPLE = """
mmtune data export-preferences pairs.jsonl --format trl --out trl.jsonl
mmtune data export-preferences pairs.jsonl --format rlaifv --image-root images/ --out rlaifv.parquet
mmtune data export-preferences povid.json --from povid --format mmtune --out pairs.jsonl
"""
FORMATS = ("mmtune", "trl", "rlaifv", "rlaifv_pairs", "povid", "llava_hound", "mllm_dpo", "llava")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``mmtune data export-preferences``."""
    parser.add_argument("path", type=Path, metavar="FILE", help="the preferences")
    parser.add_argument(
        "--format", required=True, metavar="NAME", help=f"to write: {', '.join(FORMATS)} (the chosen alone)"
    )
    parser.add_argument(
        "--from", dest="source", default="mmtune", metavar="NAME", help="format of FILE (default mmtune)"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help=".jsonl or .json; .parquet for rlaifv, and for trl if wanted"
    )
    parser.add_argument("--image-root", type=Path, help="folder of the images, which go into a parquet file")
    parser.add_argument(
        "--unpack", type=Path, metavar="FOLDER", help="write the images of a parquet FILE here"
    )


def run(args: argparse.Namespace) -> int:
    """Write the file; exit status 2 where rows were left out."""
    from data_builders.preference.exporting import export

    done = export(
        args.path,
        args.out,
        args.format,
        source=args.source,
        image_root=args.image_root,
        unpack=args.unpack,
    )
    say(f"{args.out}: pairs {done.counts['pairs']}")
    if done.repeated:
        say(
            f"{counted(len(done.repeated), 'pair has', 'pairs have')} the id of an earlier one;"
            f" the first: {done.repeated[0]}"
        )
    if done.problems:
        say(f"{args.out}: {done.problems}")
    return 2 if done.problems else 0
