"""``mmtune data shards``: pack records and their images into webdataset shards."""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path

from mmtune.commands.data.arguments import SHOWN, engine_of, root_of, say, take_engine, take_file
from mmtune.commands.data.licence_names import licence_names, take_licence_names
from mmtune.errors import UserError
from mmtune.wording import counted

SUMMARY = "Pack records and images into webdataset shards, the same bytes on every run."
EXAMPLE = """
mmtune data shards clean.jsonl --image-root images/ --out shards/ --workers 8
mmtune data shards clean.jsonl --image-root images/ --out shards/ --require-licence
mmtune data shards --verify shards/
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``mmtune data shards``."""
    take_file(parser, optional=True)
    parser.add_argument("--out", type=Path, help="folder of the shards; an interrupted build goes on there")
    parser.add_argument("--records", type=int, default=10_000, help="records of a shard (default 10000)")
    parser.add_argument(
        "--bytes", type=int, default=10**9, help="bytes at which a shard is full (default 1e9)"
    )
    parser.add_argument(
        "--require-licence", action="store_true", help="stop at the first record of unknown licence"
    )
    take_licence_names(parser)
    parser.add_argument("--verify", type=Path, metavar="FOLDER", help="compare shards with their manifest")
    take_engine(parser)


def run(args: argparse.Namespace) -> int:
    """Build, or verify, and say what is there."""
    from data_builders.problems import Problem
    from data_builders.rows import iter_rows
    from data_builders.shards import PROBLEMS, ShardSettings, build_shards, read_manifest, verify_shards

    if args.verify:
        wrong = verify_shards(args.verify)
        for sentence in wrong:
            say(f"{args.verify}: {sentence}")
        manifest = read_manifest(args.verify)
        say(f"{args.verify}: {counted(len(manifest.shards), 'shard')}, {len(wrong)} damaged or missing")
        return 2 if wrong else 0
    if args.path is None or args.out is None:
        raise UserError("Which records, and where to?", fix="give FILE and --out FOLDER")
    settings = ShardSettings(
        root_of(args), args.records, args.bytes, args.require_licence, licence_names(args)
    )
    manifest = build_shards(args.path, args.out, settings, engine_of(args))
    say(
        f"{args.out}: {counted(len(manifest.shards), 'shard')}, {counted(manifest.records, 'record')},"
        f" {counted(manifest.images, 'image')};"
        f" strictest licence: {manifest.licence}"
    )
    if manifest.problems:
        for row in islice(iter_rows(args.out / PROBLEMS), SHOWN):
            found = row.value()
            say(f"{args.path}, {Problem(found['row'], found['reason'], id=found['id'])}")
        say(
            f"{args.out / PROBLEMS}: {counted(manifest.problems, 'row that is', 'rows that are')} in no shard"
        )
    return 0
