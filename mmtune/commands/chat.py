"""``mmtune chat``: talk to a checkpoint about images in the terminal."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "Talk to a checkpoint about one or more images, in the terminal."
EXAMPLE = """
mmtune chat OUT/quickstart/model --image photo.jpg
mmtune chat CHECKPOINT --image photo.jpg --question "How many red circles are there?"
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``mmtune chat``."""
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="folder of a checkpoint")
    parser.add_argument(
        "--image", type=Path, action="append", default=[], help="image file (repeat for several)"
    )
    parser.add_argument("--question", help="ask this and stop; without it questions are read line by line")
    parser.add_argument("--max-new-tokens", type=int, default=256, help="longest answer (default 256)")
    parser.add_argument("--temperature", type=float, default=0.0, help="0 is greedy (default)")
    parser.add_argument("--top-p", type=float, default=1.0, help="nucleus of sampling (default 1)")
    parser.add_argument("--seed", type=int, default=0, help="seed of sampling (default 0)")


def run(args: argparse.Namespace) -> None:
    """Answer until the questions end."""
    from mmtune.decode.requests import Settings
    from mmtune.serve import chat

    settings = Settings(
        max_new_tokens=args.max_new_tokens, temperature=args.temperature, top_p=args.top_p, seed=args.seed
    )
    chat.run(args.checkpoint, args.image, args.question, settings)
