"""``mmtune chat``: talk to a checkpoint about images in the terminal."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmtune.serve.files import Shown

SUMMARY = "Talk to a checkpoint about images and videos, in the terminal."
EXAMPLE = """
mmtune chat OUT/quickstart/model --image photo.jpg
mmtune chat CHECKPOINT --image photo.jpg --question "How many red circles are there?"
mmtune chat CHECKPOINT --image a.jpg --image b.jpg --question "Is <image> older than <image>?"
mmtune chat CHECKPOINT --video clip.mp4 --question "What happens?"
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``mmtune chat``."""
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="folder of a checkpoint")
    parser.add_argument(
        "--image",
        dest="shown",
        type=_image,
        action="append",
        default=[],
        metavar="FILE",
        help="image file (repeat for several)",
    )
    parser.add_argument(
        "--video",
        dest="shown",
        type=_video,
        action="append",
        metavar="FILE",
        help="video file (extra `video`), animated GIF or folder of frames; repeat and mix with --image",
    )
    parser.add_argument(
        "--question",
        help="ask this and stop; without it questions are read line by line. Images stand in front of the "
        "first question, or where it says <image>, as often as there are images and videos",
    )
    parser.add_argument("--max-new-tokens", type=int, default=256, help="longest answer (default 256)")
    parser.add_argument("--temperature", type=float, default=0.0, help="0 is greedy (default)")
    parser.add_argument("--top-p", type=float, default=1.0, help="nucleus of sampling (default 1)")
    parser.add_argument("--seed", type=int, default=0, help="seed of sampling (default 0)")


def _image(word: str) -> Shown:
    return Shown(Path(word))


def _video(word: str) -> Shown:
    return Shown(Path(word), video=True)


def run(args: argparse.Namespace) -> None:
    """Answer until the questions end."""
    from mmtune.decode.requests import Settings
    from mmtune.serve import chat

    settings = Settings(
        max_new_tokens=args.max_new_tokens, temperature=args.temperature, top_p=args.top_p, seed=args.seed
    )
    chat.run(args.checkpoint, args.shown, args.question, settings)
