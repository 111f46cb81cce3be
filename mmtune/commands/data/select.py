"""``mmtune data select``: choose a part of the rows, beside a random part of the same size."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from mmtune.commands.data.arguments import say, spare_inputs, take_file
from mmtune.commands.data.listing import tell
from mmtune.errors import UserError
from mmtune.wording import counted

SUMMARY = "Choose rows by their scores and vectors, always beside as many random ones."
EXAMPLE = """
mmtune data select clean.jsonl --scores scores/ --selector k_center --share 0.1 --out chosen.jsonl
mmtune data select clean.jsonl --scores scores/ --selector deita --quality similarity \\
  --complexity difficulty --features clip --share 0.1 --out chosen.jsonl
mmtune data select clean.jsonl --scores scores/ --selector less --targets wanted/ --share 0.05 \\
  --out chosen.jsonl
mmtune data select --list
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``mmtune data select``."""
    take_file(parser, image_root=False, optional=True)
    parser.add_argument("--scores", type=Path, metavar="FOLDER", help="what `mmtune data score` wrote")
    parser.add_argument("--selector", default="random", help="how to choose (see --list)")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--share", type=float, help="share of the rows to choose, above 0 up to 1")
    size.add_argument("--count", type=int, help="rows to choose")
    parser.add_argument("--out", type=Path, help="chosen rows; OUT.random.jsonl gets the baseline")
    parser.add_argument(
        "--targets",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="scored examples of what is wanted; can be repeated, a folder for each task",
    )
    parser.add_argument("--by", default="rating", help="score that more is better of (default rating)")
    parser.add_argument("--quality", default="rating", help="score of the answers (deita, d3, align2llava)")
    parser.add_argument(
        "--complexity",
        default="difficulty",
        help="score of the questions or of the difficulty (deita, d3, align2llava)",
    )
    parser.add_argument("--features", default="plain", help="name of the vectors (default plain)")
    parser.add_argument("--distance", type=float, default=0.1, help="least distance to chosen rows (deita)")
    parser.add_argument("--clusters", type=int, help="clusters (k_means, self_judge)")
    parser.add_argument(
        "--weight", action="append", default=[], metavar="SCORE=W", help="of the linear rule; can be repeated"
    )
    parser.add_argument("--seed", type=int, default=0, help="of whatever is random (default 0)")
    parser.add_argument("--list", action="store_true", help="list the selectors, and stop")


def run(args: argparse.Namespace) -> None:
    """Write both choices, and how they came about."""
    from data_builders.curate.keep import write_chosen
    from data_builders.curate.scored import match_rows, read_pool, write_selection
    from data_builders.curate.selection import SELECTORS, Settings, select

    if args.list:
        tell((name, one.makes, one.needs, one.paper) for name, one in SELECTORS.items())
        return
    if args.path is None or args.out is None or args.scores is None:
        raise UserError("Which records?", fix="give FILE, --scores FOLDER and --out FILE")
    if args.share is not None and not 0 < args.share <= 1:
        raise UserError(f"the share is {args.share}", "--share", "give more than 0, up to 1")
    random_file = args.out.with_name(f"{args.out.stem}.random{args.out.suffix}")
    report = args.out.with_name(f"{args.out.stem}.selection.json")
    spare_inputs([args.path], [args.out, random_file, report])
    scored = read_pool(args.scores, args.targets)
    pool, rows = scored.pool, scored.rows
    if without := match_rows(args.path, scored, args.scores):
        listed = args.scores / "problems.jsonl"
        say(
            f"{args.path}: {counted(without, 'row has no score and is', 'rows have no score and are')} not"
            f" chosen, see {listed}"
        )
    count = _count(args, pool.size)
    settings = Settings(
        by=args.by,
        quality=args.quality,
        complexity=args.complexity,
        features=args.features,
        distance=args.distance,
        clusters=args.clusters,
        weights=pairs_of(args.weight, "--weight"),
    )
    chosen = select(args.selector, pool, count, args.seed, settings)
    baseline = select("random", pool, count, args.seed)
    for file, places in ((args.out, chosen), (random_file, baseline)):
        write_chosen(args.path, file, [int(rows[place]) for place in places])
    means = {
        name: {"chosen": _mean(values[chosen]), "random": _mean(values[baseline]), "all": _mean(values)}
        for name, values in pool.columns.items()
    }
    write_selection(
        report,
        {
            "selector": args.selector,
            "seed": args.seed,
            "chosen": count,
            "of": pool.size,
            "shared_with_random": len(set(chosen) & set(baseline)),
            "means": means,
            "rows": [int(rows[place]) for place in chosen],
        },
    )
    say(
        f"{args.out}: {count} of {counted(pool.size, 'row')} by {args.selector}; as many at"
        f" random: {random_file}"
    )
    for name, found in means.items():
        say(f"  mean {name}: chosen {found['chosen']}, random {found['random']}, all {found['all']}")


def _count(args: argparse.Namespace, rows: int) -> int:
    if args.count is not None:
        return int(args.count)
    return round((0.1 if args.share is None else args.share) * rows)


def pairs_of(texts: list[str], option: str) -> dict[str, float]:
    """``NAME=NUMBER`` texts as a mapping.

    Raises:
        UserError: one has another form, or stands twice.
    """
    found: dict[str, float] = {}
    for text in texts:
        name, equals, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not equals or not name or not math.isfinite(value):
            raise UserError(f"{text!r} is not understood", option, "write NAME=NUMBER")
        if name in found:
            raise UserError(f"{name!r} is given twice", option, "give it once")
        found[name] = value
    return found


def _mean(values: object) -> float | None:
    import numpy as np

    known = np.asarray(values)[~np.isnan(np.asarray(values))]
    return round(float(known.mean()), 4) if len(known) else None
