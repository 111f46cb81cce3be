"""``mmtune data score``: numbers and vectors of every record, for ``mmtune data select``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmtune.commands.data.arguments import root_of, say, take_file, tell_problems
from mmtune.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from data_builders.problems import Problem
    from mmtune.records import Record

SUMMARY = "Work out numbers and vectors of every record: length, agreement, difficulty, gradients …"
EXAMPLE = """
mmtune data score clean.jsonl --image-root images/ --score length --score refusal --out scores/
mmtune data score clean.jsonl --image-root images/ --clip ViT-B-32 --pretrained openai --out scores/
mmtune data score clean.jsonl --image-root images/ --model RUN/checkpoint --score difficulty \\
  --features hidden --features gradients --out scores/
mmtune data score --list
"""

MODEL_SCORES = {"loss": "mean loss of the answers", "difficulty": "loss in the conversation over loss alone"}
FEATURES = {
    "plain": "words and colours, without a model",
    "clip": "image and text vectors of --clip",
    "hidden": "position-weighted hidden states of --model (RDS+)",
    "gradients": "projected gradients of --model's adapters or projector (LESS)",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``mmtune data score``."""
    take_file(parser, optional=True)
    parser.add_argument("--out", type=Path, help="folder of scores.jsonl and features-NAME.npy")
    parser.add_argument("--score", action="append", default=[], help="a score; can be repeated (see --list)")
    parser.add_argument(
        "--features", action="append", default=[], choices=list(FEATURES), help="vectors; can be repeated"
    )
    parser.add_argument(
        "--clip", metavar="NAME", help="open_clip model or its folder: adds the score similarity"
    )
    parser.add_argument("--pretrained", help="weights of --clip, where its name is an architecture")
    parser.add_argument(
        "--model", type=Path, metavar="CHECKPOINT", help="for loss, difficulty and its features"
    )
    parser.add_argument("--device", default="cpu", help="of the models (default cpu)")
    parser.add_argument("--list", action="store_true", help="list scores and features, and stop")


def run(args: argparse.Namespace) -> None:
    """Write one row of scores a record, and vectors in the same order."""
    from data_builders.curate.scores import SCORES

    if args.list:
        for name, score in SCORES.items():
            say(f"{name:12} {score.says}")
        for name, says in {"similarity": "cosine of image and text by --clip", **MODEL_SCORES}.items():
            say(f"{name:12} {says}")
        for name, says in FEATURES.items():
            say(f"--features {name:10} {says}")
        return
    if args.path is None or args.out is None:
        raise UserError("Which records, and where to?", fix="give FILE and --out FOLDER")
    _write(args, root_of(args))


Find = Callable[["Record", Path], Any]


def _write(args: argparse.Namespace, root: Path) -> None:
    """Go through the file once; a record that a model cannot look at is a problem and gets no row."""
    import numpy as np

    from data_builders.problems import problem_of
    from data_builders.rows import RowWriter
    from mmtune.progress import track

    numbers, vectors = _finders(args)
    if not numbers and not vectors:
        raise UserError("Nothing is asked for", fix="give --score or --features; --list lists them")
    args.out.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[np.ndarray]] = {name: [] for name in vectors}
    problems: list[Problem] = []
    with RowWriter(args.out / "scores.jsonl") as out:
        for number, record in track(_records(args.path, problems), description="score", unit="record"):
            try:
                values = {name: float(find(record, root)) for name, find in numbers.items()}
                wide = {name: find(record, root) for name, find in vectors.items()}
            except UserError as error:
                problems.append(problem_of(error, number, record.id))
                continue
            # JSON has no NaN: a score that a record lacks is null.
            plain = {name: value if np.isfinite(value) else None for name, value in values.items()}
            out.write({"row": number, "id": record.id, **plain})
            for name, vector in wide.items():
                found[name].append(np.asarray(vector, dtype=np.float32))
        if not out.count:
            raise UserError(f"no record can be scored; the first: {problems[0]}", str(args.path))
    for name, rows in found.items():
        np.save(args.out / f"features-{name}.npy", np.stack(rows))
    tell_problems(args.path, problems, args.out / "problems.jsonl")
    say(f"{args.out}: {out.count} records; {', '.join([*numbers, *vectors])}")


def _of_record(score: Callable[[Record], float], record: Record, root: Path) -> float:
    return score(record)


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


def _finders(args: argparse.Namespace) -> tuple[dict[str, Find], dict[str, Find]]:
    """What works out each number and each vector."""
    from data_builders.curate.scores import get_score, plain

    numbers: dict[str, Find] = {}
    vectors: dict[str, Find] = {}
    if "plain" in args.features:
        vectors["plain"] = plain.features
    for name in args.score:
        if name not in MODEL_SCORES:
            numbers[name] = partial(_of_record, get_score(name))
    if args.clip:
        from data_builders.curate.scores.similarity import ImageText

        model = ImageText(args.clip, args.pretrained, args.device)
        numbers["similarity"] = lambda record, root: model.look([record], root)[1][0]
        if "clip" in args.features:
            vectors["clip"] = lambda record, root: model.look([record], root)[0][0]
    elif "clip" in args.features:
        raise UserError("The features clip need a model", "--clip", "name an open_clip model")
    wanted = [
        name for name in (*args.score, *args.features) if name in (*MODEL_SCORES, "hidden", "gradients")
    ]
    if wanted:
        if args.model is None:
            raise UserError(f"{wanted[0]} needs a model", "--model", "give a checkpoint")
        from mmtune.models.checkpoint import load
        from mmtune.train.record_scores import RecordScorer

        scorer = RecordScorer(load(args.model), args.device)
        each: dict[str, Find] = {
            "loss": scorer.loss,
            "difficulty": scorer.difficulty,
            "hidden": scorer.hidden,
            "gradients": scorer.gradient,
        }
        for name in wanted:
            (numbers if name in MODEL_SCORES else vectors)[name] = each[name]
    return numbers, vectors
