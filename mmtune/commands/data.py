"""``mmtune data``: check a data set before anything trains on it."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from mmtune.commands.recipe_argument import overrides_of, take_recipe_keys
from mmtune.errors import RecordError, UserError

if TYPE_CHECKING:
    from mmtune.records import Record

SUMMARY = "Check every record and image of a recipe, or of a LLaVA JSON or JSONL file."
EXAMPLE = """
mmtune data check my-recipe.yaml
mmtune data check my-data.json --image-root images/ --decode
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``mmtune data``."""
    parser.add_argument("action", choices=["check"], help="what to do")
    parser.add_argument("path", type=Path, metavar="FILE", help="recipe (.yaml), or LLaVA JSON or JSONL")
    parser.add_argument("--image-root", type=Path, help="folder that a JSON file's image paths start from")
    parser.add_argument("--decode", action="store_true", help="decode every image, not only read its header")
    take_recipe_keys(parser)


def run(args: argparse.Namespace) -> int:
    """Print each bad record with its row and reason; exit status 2 where there is one."""
    if args.path.suffix in (".yaml", ".yml"):
        if args.image_root:
            raise UserError(
                "A recipe says itself where its images are", "--image-root", "leave the option out"
            )
        return _check_recipe(args.path, overrides_of(args), args.decode)
    if overrides_of(args):
        raise UserError(
            "Only a recipe has keys", overrides_of(args)[0], "give a recipe, or leave the option out"
        )
    return _check_file(args.path, args.image_root or args.path.parent, args.decode)


def _check_recipe(path: Path, overrides: list[str], decode: bool) -> int:
    """With template, tokenizer and image policy: lengths, masks, and images."""
    from mmtune.commands.inspect_recipe import encoder_of
    from mmtune.data.check import check, image_headers, image_pixels
    from mmtune.progress import track
    from mmtune.train.recipe import load_recipe

    recipe = load_recipe(path, overrides)
    encoder = encoder_of(recipe)
    report = check(
        recipe.data,
        encoder.template,
        encoder.tokenizer,
        encoder.policy,
        image_pixels if decode else image_headers,
        lambda found, total: track(found, total, "check", unit="record"),
    )
    for refusal in report.refused:
        _say(f"{refusal.source}, row {refusal.row}, record {refusal.id!r}: {refusal.reason}")
    _say(f"{report.records} records, {len(report.refused)} refused")
    if report.accepted:
        _say(f"{report.images} images, {report.tokens} tokens, {report.visual_tokens} of them visual")
        _say(f"{report.supervised / report.tokens:.0%} supervised; {recipe.data.max_tokens} tokens allowed")
        _say(f"longest: {report.longest} tokens (record {report.longest_id!r})")
    return 2 if report.refused else 0


def _check_file(path: Path, root: Path, decode: bool) -> int:
    """Without a recipe: what can be said of records and images alone."""
    from mmtune.progress import track
    from mmtune.records import iter_llava

    if not root.is_dir():
        raise UserError("There is no such image root", str(root), "give the images' folder with --image-root")
    records = images = refused = 0
    ids: Counter[str] = Counter()
    for row, record in track(iter_llava(path), description="check", unit="record"):
        records += 1
        if isinstance(record, RecordError):
            problem: UserError | None = record
        else:
            images += len(record.images)
            ids[record.id] += 1
            problem = _problem(record, root, decode)
        if problem is not None:
            refused += 1
            _say(f"{path}, row {row}: {problem}")
    if not records:
        raise UserError("The file holds no records", str(path), "give a JSON list or JSON Lines of records")
    repeated = sum(1 for count in ids.values() if count > 1)
    _say(f"{records} records, {refused} refused; {images} images; {repeated} ids stand more than once")
    return 2 if refused else 0


def _problem(record: Record, root: Path, decode: bool) -> UserError | None:
    """The first reason why a record cannot be trained on, or None."""
    from mmtune.images.decoding import image_size, load_image

    look = load_image if decode else image_size
    try:
        record.check()
        for image in record.images:
            look(root, image)
    except UserError as error:
        return error
    return None


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
