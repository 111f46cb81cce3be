"""``mmtune data check``: look at a data set before anything trains on it."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from mmtune.commands.data.arguments import engine_of, root_of, say, spare_inputs, take_engine
from mmtune.commands.recipe_argument import overrides_of, take_recipe_keys
from mmtune.errors import UserError
from mmtune.wording import counted

if TYPE_CHECKING:
    from data_builders.problems import Problem

SUMMARY = "Check every record and image of a recipe, or of a LLaVA JSON or JSONL file."
EXAMPLE = """
mmtune data check my-recipe.yaml
mmtune data check my-data.json --image-root images/ --decode
mmtune data check my-data.jsonl --image-root images/ --workers 8 --keep good.jsonl --report bad.jsonl
"""

_SHOWN = 20
"""Problems of a kind that are printed where a report lists them all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``mmtune data check``."""
    parser.add_argument("path", type=Path, metavar="FILE", help="recipe (.yaml), or LLaVA JSON or JSONL")
    parser.add_argument("--image-root", type=Path, help="folder that a JSON file's image paths start from")
    parser.add_argument("--decode", action="store_true", help="decode every image, not only read its header")
    group = parser.add_argument_group("for JSON and JSONL")
    group.add_argument("--no-images", action="store_true", help="look at the images' paths only: faster")
    group.add_argument("--unique-ids", action="store_true", help="refuse a row whose id stood before")
    group.add_argument("--max-row-mb", type=int, default=16, help="longest row that is read (default 16)")
    group.add_argument("--report", type=Path, metavar="JSONL", help="write {row, id, reason, refused} here")
    group.add_argument("--keep", type=Path, metavar="FILE", help="write the rows that are not refused here")
    take_engine(group)
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
    return _check_file(args)


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
        say(f"{refusal.source}, row {refusal.row}, record {refusal.id!r}: {refusal.reason}")
    say(f"{counted(report.records, 'record')}, {len(report.refused)} refused")
    if report.accepted:
        say(
            f"{counted(report.images, 'image')}, {counted(report.tokens, 'token')},"
            f" {report.visual_tokens} of them visual"
        )
        say(f"{report.supervised / report.tokens:.0%} supervised; {recipe.data.max_tokens} tokens allowed")
        say(f"longest: {report.longest} tokens (record {report.longest_id!r})")
    return 2 if report.refused else 0


def _check_file(args: argparse.Namespace) -> int:
    """Without a recipe: what can be said of records and images alone."""
    from contextlib import ExitStack

    from data_builders.curate.check import CheckSettings, check_rows
    from data_builders.rows import RowWriter
    from mmtune.progress import track

    path, root = args.path, None if args.no_images else root_of(args)
    spare_inputs([path], [args.report, args.keep])
    settings = CheckSettings(root, args.decode, args.unique_ids, args.max_row_mb * 2**20)
    counts: Counter[str] = Counter()
    first: Problem | None = None
    with ExitStack() as files:
        listed = files.enter_context(RowWriter(args.report)) if args.report else None
        kept = files.enter_context(RowWriter(args.keep)) if args.keep else None
        found = check_rows(path, settings, engine_of(args))
        for checked in track(found, description="check", unit="record"):
            counts.update(records=1, images=checked.images, repeated=checked.repeated)
            for kind, problem in (("refused", checked.problem), ("told", checked.warning)):
                if problem is None:
                    continue
                counts[kind] += 1
                first = first or problem
                if listed is not None:
                    listed.write({**problem.to_json(), "refused": kind == "refused"})
                if counts[kind] <= _SHOWN or (listed is None and kind == "refused"):
                    say(f"{path}, {problem}")
            if kept is not None and checked.problem is None:
                kept.write(checked.row)
        if counts["refused"] == counts["records"]:
            raise UserError(f"no record of the file can be used; the first: {first}", str(path))
    say(
        f"{counted(counts['records'], 'record')}, {counts['refused']} refused;"
        f" {counted(counts['images'], 'image')}; {counted(counts['repeated'], 'has', 'have')}"
        f" the id of an earlier"
        " one"
    )
    return 2 if counts["refused"] else 0
