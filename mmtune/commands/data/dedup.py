"""``mmtune data dedup``: leave out rows that say again what an earlier one says."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmtune.commands.data.arguments import (
    engine_of,
    root_of,
    say,
    spare_inputs,
    take_engine,
    take_file,
    tell_problems,
    write_list,
)
from mmtune.wording import counted

SUMMARY = "Leave out rows with the images and questions of an earlier row, and list them."
EXAMPLE = """
mmtune data dedup my-data.json --image-root images/ --out clean.jsonl
mmtune data dedup my-data.json --by question --texts minhash --similarity 0.85 --out clean.jsonl
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``mmtune data dedup``."""
    take_file(parser)
    parser.add_argument("--out", type=Path, required=True, help="file of the kept rows (.json or .jsonl)")
    parser.add_argument(
        "--by",
        choices=("both", "image", "question"),
        default="both",
        help="what has to be alike (default: images and questions both)",
    )
    parser.add_argument(
        "--images",
        choices=("path", "exact", "perceptual", "window"),
        default="perceptual",
        help="same path; same bytes; re-encoded or resized; also cropped by up to 30 %% a side",
    )
    parser.add_argument(
        "--bits", type=int, default=7, help="Hamming distance of perceptual hashes, 0 to 11 (default 7)"
    )
    parser.add_argument(
        "--texts",
        choices=("exact", "minhash"),
        default="exact",
        help="same but for case and punctuation; or similar (--similarity)",
    )
    parser.add_argument(
        "--similarity", type=float, default=0.8, help="least Jaccard similarity (default 0.8)"
    )
    parser.add_argument("--whole", action="store_true", help="compare answers, too, and not questions alone")
    take_engine(parser)


def run(args: argparse.Namespace) -> None:
    """Write the kept rows, and beside them the lists of duplicates and of unusable rows."""
    from data_builders.curate.dedup import DedupSettings, find_duplicates
    from data_builders.curate.keep import write_kept
    from data_builders.problems import beside

    spare_inputs([args.path], [args.out, beside(args.out), beside(args.out, "duplicates")])
    looks = args.by != "question" and args.images != "path"
    settings = DedupSettings(
        image_root=root_of(args) if looks else None,
        by=args.by,
        images=args.images,
        bits=args.bits,
        texts=args.texts,
        similarity=args.similarity,
        whole=args.whole,
    )
    found = find_duplicates(args.path, settings, engine_of(args))
    tell_problems(args.path, found.problems, beside(args.out))
    write_list(beside(args.out, "duplicates"), found.duplicates)
    kept = write_kept(args.path, args.out, found.dropped, found.rows)
    say(f"{args.out}: {kept} of {counted(found.rows, 'row')}, {counted(len(found.duplicates), 'duplicate')}")
