"""``mmtune data score``: numbers and vectors of every record, for ``mmtune data select``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from mmtune.commands.data.arguments import root_of, say, spare_inputs, take_file, tell_problems
from mmtune.commands.data.teacher_arguments import hiring_of, take_teacher
from mmtune.errors import UserError
from mmtune.wording import counted

if TYPE_CHECKING:
    from data_builders.curate.rated import Rated, RatingSettings
    from data_builders.problems import Problem
    from mmtune.records import Record

SUMMARY = "Work out numbers and vectors of every record: length, agreement, difficulty, gradients …"
EXAMPLE = """
mmtune data score clean.jsonl --image-root images/ --score length --score refusal --out scores/
mmtune data score clean.jsonl --image-root images/ --clip ViT-B-32 --pretrained openai --out scores/
mmtune data score clean.jsonl --image-root images/ --model RUN/checkpoint --score difficulty \\
  --features hidden --features gradients --out scores/
mmtune data score clean.jsonl --image-root images/ --score rating --score complexity --out scores/ \\
  --teacher http://127.0.0.1:8000/v1 --teacher-model NAME --price-in 0.15 --price-out 0.6 --dry-run
mmtune data score clean.jsonl --reward REWARD-MODEL/ --out scores/
mmtune data score --list
"""
RATINGS = "ratings"
"""Folder of what a teacher answered, in the folder of the scores."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``mmtune data score``."""
    take_file(parser, optional=True)
    parser.add_argument("--out", type=Path, help="folder of scores.jsonl and features-NAME.npy")
    parser.add_argument("--score", action="append", default=[], help="a score; can be repeated (see --list)")
    parser.add_argument(
        "--features",
        action="append",
        default=[],
        choices=("plain", "clip", "hidden", "gradients"),
        help="vectors; can be repeated",
    )
    parser.add_argument(
        "--clip", metavar="NAME", help="open_clip model or its folder: adds the score similarity"
    )
    parser.add_argument("--pretrained", help="weights of --clip, where its name is an architecture")
    parser.add_argument(
        "--model", type=Path, metavar="CHECKPOINT", help="for loss, difficulty, --head and its features"
    )
    parser.add_argument(
        "--reward",
        type=Path,
        metavar="MODEL",
        help="reward model, a sequence classifier of transformers: adds the score reward",
    )
    parser.add_argument(
        "--question-reward", type=Path, metavar="MODEL", help="the same for questions: adds question_reward"
    )
    parser.add_argument(
        "--head", type=Path, metavar="FILE", help="from `mmtune data reward`, for --model: adds reward"
    )
    parser.add_argument(
        "--adam",
        action="store_true",
        help="scale gradients by the moments that the checkpoint of a run keeps, as LESS does for the rows to"
        " choose from and not for --targets",
    )
    parser.add_argument("--device", default="cpu", help="of the models (default cpu)")
    parser.add_argument(
        "--rate", type=int, metavar="N", help="have the teacher rate N random rows (default: all)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of that choice (default 0)")
    parser.add_argument("--list", action="store_true", help="list scores and features, and stop")
    take_teacher(parser)


def run(args: argparse.Namespace) -> int:
    """Write one row of scores a record, and vectors in the same order."""
    if args.list:
        return _list()
    if args.path is None or (args.out is None and not args.dry_run):
        raise UserError("Which records, and where to?", fix="give FILE and --out FOLDER")
    if args.dry_run:
        return _tell_cost(args)
    return _write(args, root_of(args))


def _list() -> int:
    from data_builders.curate.scores import FEATURES, SCORES
    from mmtune.commands.data.listing import tell

    tell((name, one.says, one.needs, one.paper) for name, one in SCORES.items())
    tell((f"--features {name}", one.says, one.needs, one.paper) for name, one in FEATURES.items())
    return 0


def _asked_of(args: argparse.Namespace) -> RatingSettings | None:
    """What the teacher is to rate; None where there is no teacher."""
    from data_builders.curate.rated import RatingSettings
    from data_builders.curate.scores.rating import PROMPTS

    if args.teacher is None:
        return None
    ratings = tuple(name for name in PROMPTS if name in args.score)
    if not ratings:
        raise UserError(
            "There is nothing to ask the teacher for", "--teacher", f"add --score {' or '.join(PROMPTS)}"
        )
    return RatingSettings(ratings, None if args.text_only else root_of(args), args.rate, args.seed)


def _tell_cost(args: argparse.Namespace) -> int:
    from data_builders.curate.rated import cost_of
    from data_builders.teachers.base import Usage
    from data_builders.teachers.ledger import price_text

    settings = _asked_of(args)
    if settings is None:
        raise UserError("Only a teacher costs anything", "--dry-run", "name one with --teacher")
    hiring = hiring_of(args)
    cost = cost_of(args.path, settings, hiring.settings)
    money = price_text(hiring.price, Usage(cost.prompt_tokens, cost.completion_tokens))
    for problem in cost.unusable:
        say(f"{args.path}, {problem}")
    say(
        f"{counted(cost.rows, 'row')}, {counted(cost.requests, 'request')}, about"
        f" {cost.prompt_tokens:,} tokens to read, at most"
        f" {cost.completion_tokens:,} to write, {money}"
    )
    return 0


def _write(args: argparse.Namespace, root: Path) -> int:
    """Go through the file once; a record that a model cannot look at is a problem and gets no row."""
    import numpy as np

    from data_builders.curate.scored import digest_of, refuse_other_rows
    from data_builders.curate.vectors import VectorWriter
    from data_builders.problems import Problem, problem_of
    from data_builders.rows import RowWriter, writing_to
    from mmtune.commands.data.finders import finders
    from mmtune.progress import track

    asked = _asked_of(args)
    numbers, vectors = finders(args, asked.ratings if asked else ())
    if not numbers and not vectors and asked is None:
        raise UserError("Nothing is asked for", fix="give --score or --features; --list lists them")
    spare_inputs([args.path], [args.out / "scores.jsonl", args.out / "problems.jsonl"])
    refuse_other_rows(args.path, args.out, vectors)
    rated = _rated(args, asked)
    names = [*(asked.ratings if asked else ()), *numbers]
    with writing_to(args.out):
        args.out.mkdir(parents=True, exist_ok=True)
    problems: list[Problem] = []
    with ExitStack() as files:
        found = {
            name: files.enter_context(VectorWriter(args.out / f"features-{name}.npy")) for name in vectors
        }
        out = files.enter_context(RowWriter(args.out / "scores.jsonl"))
        for number, record in track(_records(args.path, problems), description="score", unit="record"):
            given = rated.ratings.get(number, {}) if rated else {}
            try:
                values = {name: float(find(record, root)) for name, find in numbers.items()}
                wide = {name: find(record, root) for name, find in vectors.items()}
            except UserError as error:
                problems.append(problem_of(error, number, record.id))
                continue
            if broken := [name for name, vector in wide.items() if not np.isfinite(vector).all()]:
                problems.append(Problem(number, f"its {broken[0]} are not finite", id=record.id))
                continue
            # JSON has no NaN: a score that a record lacks is null.
            plain = {name: value if np.isfinite(value) else None for name, value in values.items()}
            ratings = {name: given.get(name) for name in (asked.ratings if asked else ())}
            out.write({"row": number, "id": record.id, "said": digest_of(record), **ratings, **plain})
            for name, vector in wide.items():
                found[name].write(vector)
        if not out.count:
            raise UserError(f"no record can be scored; the first: {problems[0]}", str(args.path))
        # Old scores go before new vectors come, and new ones come last: whoever stops this between the two
        # leaves nothing that seems to fit.
        if found:
            (args.out / "scores.jsonl").unlink(missing_ok=True)
        for vector_file in found.values():
            vector_file.publish()
    problems += rated.problems if rated else []
    problems.sort(key=lambda problem: problem.number)
    tell_problems(args.path, problems, args.out / "problems.jsonl")
    say(f"{args.out}: {counted(out.count, 'record')}; {', '.join([*names, *vectors])}")
    if rated and rated.waiting:
        say(rated.waiting)
    return 0


def _rated(args: argparse.Namespace, asked: RatingSettings | None) -> Rated | None:
    """What the teacher says, asked before anything else: it may be wrongly named, and it costs money."""
    from data_builders.curate.rated import rate_rows

    if asked is None:
        return None
    return rate_rows(args.path, args.out / RATINGS, asked, hiring_of(args))


def _records(path: Path, problems: list[Problem]) -> Iterator[tuple[int, Record]]:
    from data_builders.problems import problem_of
    from data_builders.rows import iter_rows
    from mmtune.errors import RecordError

    for row in iter_rows(path):
        try:
            record = row.record()
        except RecordError as error:
            problems.append(problem_of(error, row.number))
            continue
        yield row.number, record
