"""``mmtune data restyle``: answers in the words of the model that is to learn from them."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmtune.commands.data.arguments import say, take_file, tell_problems
from mmtune.commands.data.teacher_arguments import hiring_of, take_teacher
from mmtune.errors import UserError
from mmtune.wording import counted

SUMMARY = "Have a model say the answers in its own words, and keep what still says the same (Align2LLaVA)."
EXAMPLE = """
mmtune data select clean.jsonl --scores scores/ --selector align2llava --quality reward \\
  --complexity question_reward --share 0.1 --out best.jsonl
mmtune data restyle best.jsonl --teacher http://127.0.0.1:8000/v1 --teacher-model NAME --out restyled/
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``mmtune data restyle``."""
    take_file(parser, image_root=False)
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of records.jsonl, rejected.jsonl and failures.jsonl"
    )
    take_teacher(parser, costs=False)


def run(args: argparse.Namespace) -> None:
    """Build, or go on, and say what came out."""
    from data_builders.curate.rated import told_waiting
    from data_builders.curate.restyle import restyle
    from data_builders.teachers.building import FAILURES

    if args.teacher is None:
        raise UserError("No model is named", "--teacher", "name the one that is to be tuned, or its like")
    report, problems = restyle(args.path, args.out, hiring_of(args))
    tell_problems(args.path, problems, args.out / "problems.jsonl")
    say(
        f"{args.out}: {counted(report.records, 'record')},"
        f" {counted(report.rejected, 'answer stays as it was', 'answers stay as they were')}"
    )
    if report.failures:
        say(f"{args.out / FAILURES}: {counted(len(report.failures), 'record')} failed: {report.reasons()}")
    if waiting := told_waiting(report, args.out):
        say(waiting)
