"""``mmtune data mix``: one file, or a recipe's weights, from several sources."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmtune.commands.data.arguments import say
from mmtune.commands.data.select import pairs_of
from mmtune.errors import RecordError, UserError, unknown
from mmtune.wording import counted

if TYPE_CHECKING:
    from data_builders.curate.mix import Place
    from mmtune.data.source import JsonSource

SUMMARY = "Mix sources by size, square root, temperature, weights or skills, in stages or easy rows first."
EXAMPLE = """
mmtune data mix vqa.jsonl ocr.jsonl chat.jsonl --rule square_root --out mixed.jsonl
mmtune data mix pool.jsonl style.jsonl --stage pool.jsonl --stage style.jsonl --out two-stages.jsonl
mmtune data mix vqa.jsonl ocr.jsonl --rule skills --loss vqa.jsonl=0.9 --loss ocr.jsonl=2.1
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``mmtune data mix``."""
    parser.add_argument("paths", type=Path, nargs="+", metavar="FILE", help="sources in LLaVA JSON or JSONL")
    parser.add_argument("--out", type=Path, help="the mixture; without it only the counts are said")
    parser.add_argument(
        "--rule",
        default="proportional",
        help="proportional, equal, square_root, temperature, weights or skills (default proportional)",
    )
    parser.add_argument(
        "--weight", action="append", default=[], metavar="FILE=W", help="for the rule weights"
    )
    parser.add_argument("--loss", action="append", default=[], metavar="FILE=L", help="for the rule skills")
    parser.add_argument("--temperature", type=float, default=2.0, help="for the rule temperature (default 2)")
    parser.add_argument("--cap", type=int, help="most rows of a source that count for its share")
    parser.add_argument("--total", type=int, help="rows of the mixture (default: those of all sources)")
    parser.add_argument("--no-repeat", action="store_true", help="no row more than once")
    parser.add_argument(
        "--stage",
        action="append",
        default=[],
        metavar="FILE,…",
        help="sources of a stage; stages follow in order",
    )
    parser.add_argument("--easy-first", metavar="KEY", help="order by this number in each row's own keys")
    parser.add_argument("--seed", type=int, default=0, help="of the order (default 0)")


def run(args: argparse.Namespace) -> None:
    """Say what each source gives, and write the rows."""
    from data_builders.curate.mix import MixSettings, counts, draw, recipe_weights
    from data_builders.rows import RowWriter
    from mmtune.data.config import SourceConfig
    from mmtune.data.source import JsonSource

    sources = {path.name: JsonSource(SourceConfig(str(path))) for path in args.paths}
    if len(sources) < len(args.paths):
        raise UserError("two sources have one file name", fix="give each another name")
    if args.out is not None and any(args.out.resolve() == path.resolve() for path in args.paths):
        raise UserError("the output is one of the sources", str(args.out), "choose another file")
    if args.easy_first and args.stage:
        raise UserError(
            "easy rows first and stages are two orders", "--stage, --easy-first", "give one of them"
        )
    settings = MixSettings(
        rule=args.rule,
        weights=pairs_of(args.weight, "--weight"),
        temperature=args.temperature,
        cap=args.cap,
        total=args.total,
        losses=pairs_of(args.loss, "--loss"),
        upsample=not args.no_repeat,
    )
    sizes = {name: len(source) for name, source in sources.items()}
    given = counts(sizes, settings)
    for name, weight in recipe_weights(sizes, given).items():
        how = f"weight {weight:g} in a recipe" if weight else "leave it out of a recipe"
        say(f"{name}: {counted(given[name], 'row')} of {sizes[name]} ({how})")
    if args.out is None:
        return
    drawn = {name: draw(sizes[name], given[name], args.seed + n) for n, name in enumerate(sizes)}
    with RowWriter(args.out) as out:
        for name, row in _ordered(args, drawn, sources):
            out.write(_usable(sources[name], row))
    say(f"{args.out}: {counted(out.count, 'row')}")


def _usable(source: JsonSource, row: int) -> Any:
    """A row's JSON; one that is no record ends the mixing, or the proportions would be others."""
    try:
        source.record(row)
        return source.raw(row)
    except RecordError as error:
        fix = f"leave it out: mmtune data check {source.path} --keep FILE"
        raise UserError(error.reason, f"{source.path}, row {row}", fix) from error


def _ordered(
    args: argparse.Namespace, drawn: Mapping[str, Sequence[int]], sources: Mapping[str, JsonSource]
) -> Iterator[Place]:
    from data_builders.curate.mix import curriculum, shuffled

    if args.easy_first:
        rows = [(name, row) for name, rows_of in drawn.items() for row in rows_of]
        numbers = [_number(_usable(sources[name], row), args.easy_first) for name, row in rows]
        if all(math.isnan(number) for number in numbers):
            raise UserError(
                f"no row has a number under {args.easy_first!r}", "--easy-first", "name another key"
            )
        return curriculum(rows, numbers, args.seed)
    if not args.stage:
        return shuffled([drawn], args.seed)
    stages = [[Path(name).name for name in stage.split(",")] for stage in args.stage]
    named = [name for stage in stages for name in stage]
    for name in named:
        if name not in drawn:
            raise unknown("source", name, drawn, "--stage")
    if sorted(named) != sorted(drawn):
        raise UserError(
            "the stages do not hold every source once", "--stage", "name each source in one stage"
        )
    return shuffled([{name: drawn[name] for name in stage} for stage in stages], args.seed)


def _number(row: Any, key: str) -> float:
    value = row.get(key) if isinstance(row, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    return float(value)
