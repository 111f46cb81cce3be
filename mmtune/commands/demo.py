"""``mmtune demo``: a page for the browser."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "Open a page in the browser: images and videos in, streamed chat out (needs the extra `demo`)."
EXAMPLE = "mmtune demo OUT/quickstart/model --port 7860"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``mmtune demo``."""
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="folder of a checkpoint")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: this machine only)"
    )
    parser.add_argument("--port", type=int, default=7860, help="port (default 7860)")


def run(args: argparse.Namespace) -> None:
    """Serve until interrupted."""
    from mmtune.serve.demo import launch

    launch(args.checkpoint, host=args.host, port=args.port)
