"""``mmtune data reward``: a reward model out of a checkpoint and people's preferences."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmtune.commands.data.arguments import root_of, say, take_file, tell_problems
from mmtune.errors import UserError
from mmtune.wording import counted

if TYPE_CHECKING:
    from data_builders.problems import Problem

SUMMARY = "Learn a reward head on a checkpoint from preferences, for `mmtune data score --head`."
EXAMPLE = """
mmtune data reward preferences.jsonl --image-root images/ --model RUN/checkpoint --out head.safetensors
mmtune data score clean.jsonl --image-root images/ --model RUN/checkpoint --head head.safetensors \\
  --out scores/
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``mmtune data reward``."""
    take_file(parser)
    parser.add_argument("--model", type=Path, metavar="CHECKPOINT", required=True, help="stays as it is")
    parser.add_argument("--out", type=Path, required=True, help="the head, .safetensors")
    parser.add_argument("--device", default="cpu", help="of the model (default cpu)")


def run(args: argparse.Namespace) -> None:
    """Learn the head, and say how often it is right about pairs that it did not learn from."""
    import numpy as np

    from data_builders.problems import beside, problem_of
    from mmtune.errors import RecordError
    from mmtune.models.checkpoint import load
    from mmtune.progress import track
    from mmtune.train.record_scores import RecordScorer
    from mmtune.train.reward_head import RewardHead, pairs

    root = root_of(args)
    problems: list[Problem] = []
    scorer = RecordScorer(load(args.model), args.device)
    chosen, rejected = [], []
    for found in track(pairs(_rows(args.path, problems)), description="reward", unit="pair"):
        if isinstance(found, RecordError):
            problems.append(problem_of(found, found.row or 0))
            continue
        number, better, worse = found
        try:
            both = scorer.hidden(better, root), scorer.hidden(worse, root)
        except UserError as error:
            problems.append(problem_of(error, number, better.id))
            continue
        chosen.append(both[0])
        rejected.append(both[1])
    problems.sort(key=lambda problem: problem.number)
    tell_problems(args.path, problems, beside(args.out))
    head = RewardHead.fit(np.array(chosen), np.array(rejected))
    head.save(args.out)
    say(
        f"{args.out}: {counted(head.pairs, 'pair')}; {head.accuracy:.1%} of pairs that were held"
        f" out are put in order"
    )


def _rows(path: Path, problems: list[Problem]) -> Iterator[tuple[int, Any]]:
    from data_builders.problems import problem_of
    from data_builders.rows import iter_rows
    from mmtune.errors import RecordError

    for row in iter_rows(path):
        try:
            yield row.number, row.value()
        except RecordError as error:
            problems.append(problem_of(error, row.number))
