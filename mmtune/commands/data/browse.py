"""``mmtune data browse``: records, their boxes and their evidence in a page that needs no network."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmtune.commands.data.arguments import root_of, say, spare_inputs, take_file

SUMMARY = "Write records as one HTML page: boxes, evidence, differences from their parents."
EXAMPLE = """
mmtune data browse clean.jsonl --image-root images/ --scenes scenes.jsonl --out page.html
mmtune data browse evolved.jsonl --image-root images/ --parents clean.jsonl --first 200 --out page.html
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``mmtune data browse``."""
    take_file(parser)
    parser.add_argument("--out", type=Path, required=True, help="the HTML file")
    parser.add_argument("--scenes", type=Path, metavar="JSONL", help="scenes whose boxes are drawn")
    parser.add_argument("--parents", type=Path, metavar="FILE", help="records that these were evolved from")
    parser.add_argument("--first", type=int, default=0, help="row to begin with (default 0)")
    parser.add_argument("--count", type=int, default=60, help="records at most (default 60)")


def run(args: argparse.Namespace) -> None:
    """Write the page and print where it is."""
    from data_builders.browse import write_page
    from data_builders.scenes import read_scenes

    spare_inputs([path for path in (args.path, args.scenes, args.parents) if path], [args.out])
    scenes = read_scenes(args.scenes) if args.scenes else ()
    problems = write_page(
        args.path,
        args.out,
        image_root=root_of(args),
        scenes=scenes,
        parents=args.parents,
        first=args.first,
        count=args.count,
    )
    for problem in problems[:10]:
        say(f"{args.path}, {problem}")
    say(f"{args.out}: open it in a browser")
