"""``mmtune import``: a checkpoint of original LLaVA or of the Hub becomes one of mmtune."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmtune.errors import UserError

SUMMARY = "Turn a checkpoint of original LLaVA, or of the Hub's LLaVA and LLaVA-NeXT, into one of mmtune."
EXAMPLE = """
mmtune import llava-v1.5-7b --vision clip-vit-large-patch14-336 --out OUT/llava-7b
mmtune import llava-1.5-7b-hf --out OUT/llava-7b
mmtune import mm_projector.bin --vision clip-vit-large-patch14-336 --language vicuna-7b-v1.5 --out OUT/stage-1
mmtune import llava-v1.5-7b-lora --base vicuna-7b-v1.5 --out OUT/llava-7b-lora
"""

DTYPES = ("float32", "bfloat16", "float16")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``mmtune import``."""
    parser.add_argument(
        "source", type=Path, metavar="CHECKPOINT", help="folder, or file of a projector alone"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the new checkpoint")
    parser.add_argument(
        "--naming",
        choices=["original", "hub", "projector", "lora"],
        help="whose naming it is (default: found out from its files)",
    )
    parser.add_argument(
        "--vision", metavar="TOWER", help="vision tower, where the checkpoint does not hold it"
    )
    parser.add_argument("--language", metavar="MODEL", help="language model, for a projector alone")
    parser.add_argument("--base", metavar="MODEL", help="model that a LoRA was made for")
    parser.add_argument("--merge", action="store_true", help="fold a LoRA into the weights")
    parser.add_argument("--template", help="chat template (default: the likeliest for such a model)")
    parser.add_argument("--image-policy", help="image policy (default: the checkpoint's own)")
    parser.add_argument(
        "--dtype", choices=DTYPES, help="type of the weights (default: their own, bit for bit)"
    )


def run(args: argparse.Namespace) -> None:
    """Read, compare, write, and say what it was taken for."""
    import torch

    from mmtune.models.checkpoint import read_manifest
    from mmtune.models.convert import Given, bring_in
    from mmtune.models.language import load_tokenizer
    from mmtune.templates import choose_template, get_template

    if args.template is not None and args.template != "tokenizer":
        args.template = get_template(args.template).name
    given = Given(args.base, args.vision, args.language, args.template, args.image_policy)
    dtype = getattr(torch, args.dtype) if args.dtype else None
    if args.out.exists() and (not args.out.is_dir() or any(args.out.iterdir())):
        raise UserError("there is something already", str(args.out), "remove it or choose another folder")
    out = bring_in(args.source, args.out, given, naming=args.naming, merge=args.merge, dtype=dtype)
    content = read_manifest(out)
    choose_template(content["template"], load_tokenizer(str(out / "language")))  # warns where it does not fit
    sys.stdout.write(
        f"{out}: {content['imported']['naming']}, template {content['template']}, "
        f"image policy {content['image_policy']}\n"
    )
    if args.template is None and content["imported"]["naming"].startswith("original"):
        sys.stdout.write(
            f"Such a checkpoint does not say its template: {content['template']} is the likeliest, "
            "--template NAME takes another.\n"
        )
