"""``mmtune export``: a checkpoint of mmtune in the naming that other tools read."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

SUMMARY = "Write a checkpoint for other tools: transformers and vLLM (hub), or LLaVA's own code (original)."
EXAMPLE = """
mmtune export CHECKPOINT --naming hub --out OUT/for-transformers
mmtune export CHECKPOINT --naming original --out OUT/for-llava
mmtune export CHECKPOINT --naming projector --out OUT/stage-1
mmtune export CHECKPOINT --naming lora --out OUT/llava-lora
"""

DTYPES = ("float32", "bfloat16", "float16")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``mmtune export``."""
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="folder of a checkpoint")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument(
        "--naming",
        choices=["hub", "original", "projector", "lora"],
        default="hub",
        help="hub (default), original, or LLaVA's projector alone or LoRA folder",
    )
    parser.add_argument(
        "--dtype", choices=DTYPES, help="type of the weights (default: their own, bit for bit)"
    )


def run(args: argparse.Namespace) -> None:
    """Open the checkpoint, merge its adapters where the naming has no place for them, and write."""
    import torch

    from mmtune.models.convert import WRITERS, Chat, open_native
    from mmtune.templates import get_template
    from mmtune.templates.jinja import chat_template

    dtype = getattr(torch, args.dtype) if args.dtype else None
    native = open_native(args.checkpoint, merged=args.naming not in ("lora", "projector"), dtype=dtype)
    tokenizer = native.bundle.tokenizer
    template = get_template(native.bundle.template, tokenizer)
    chat = Chat(chat_template(template, tokenizer), template.stop)
    sys.stdout.write(f"{WRITERS[args.naming](native, args.out, chat)}\n")
