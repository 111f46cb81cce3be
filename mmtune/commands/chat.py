"""``mmtune chat``: talk to a checkpoint about images in the terminal."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mmtune.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

    from mmtune.decode.engine import Engine, Settings
    from mmtune.records import Turn

SUMMARY = "Talk to a checkpoint about one or more images."
EXAMPLE = """
mmtune chat OUT/quickstart/tune/checkpoints/last --image photo.jpg
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
    """Answer each question; the conversation is kept until the end."""
    from mmtune.decode.engine import Engine, Settings
    from mmtune.images.decoding import load_image

    images = [load_image(path.parent, path.name) for path in args.image]
    engine = Engine.from_checkpoint(args.checkpoint)
    settings = Settings(
        max_new_tokens=args.max_new_tokens, temperature=args.temperature, top_p=args.top_p, seed=args.seed
    )
    turns: tuple[Turn, ...] = ()
    for question in _questions(args.question):
        turns = _ask(engine, images, turns, question, settings)


def _ask(
    engine: Engine, images: list[Image], turns: tuple[Turn, ...], question: str, settings: Settings
) -> tuple[Turn, ...]:
    """Print the answer as it comes, and return the conversation with it."""
    from mmtune.decode.engine import Request
    from mmtune.records import IMAGE_PLACEHOLDER, Turn

    if IMAGE_PLACEHOLDER in question:
        raise UserError(
            f"A question must not contain {IMAGE_PLACEHOLDER}", fix="images go in front by themselves"
        )
    first = not turns
    text = (IMAGE_PLACEHOLDER + "\n") * len(images) + question if first else question
    turns = (*turns, Turn("user", text))
    answer = ""
    for piece in engine.stream(Request(images=images, turns=turns), settings):
        sys.stdout.write(piece)
        sys.stdout.flush()
        answer += piece
    sys.stdout.write("\n")
    return (*turns, Turn("assistant", answer))


def _questions(only: str | None) -> Iterator[str]:
    if only is not None:
        yield only
        return
    if sys.stdin.isatty():
        sys.stdout.write("Ask away; an empty line or Ctrl-D ends.\n")
    while True:
        try:
            question = input("> " if sys.stdin.isatty() else "").strip()
        except EOFError:
            return
        if not question:
            return
        yield question
