"""``mmtune score``: score an answer file against a benchmark's official files, without a model."""

from __future__ import annotations

import argparse
import gc
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmtune.commands.answer_arguments import take_answers
from mmtune.commands.printed_table import print_table
from mmtune.errors import UserError
from mmtune.wording import counted

SUMMARY = "Score an answer file in a benchmark's own format: no model is needed."
EXAMPLE = """
mmtune score vqav2 --predictions answers.json --annotations v2_mscoco_val2014_annotations.json
mmtune score mmbench --predictions answers.xlsx --annotations mmbench_dev_20230712.tsv --json
mmtune score gqa:choices=val_choices.json --predictions p.json --annotations testdev_balanced_questions.json
mmtune score --list
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``mmtune score``."""
    parser.add_argument(
        "task",
        metavar="TASK",
        nargs="?",
        help="a benchmark, as vqav2, with settings where it has some (gqa:choices=FILE)",
    )
    parser.add_argument("--predictions", type=Path, metavar="FILE", help="the answer file (MME: its folder)")
    parser.add_argument("--annotations", type=Path, metavar="FILE", help="the benchmark's official file")
    take_answers(parser, "score")
    parser.add_argument("--list", action="store_true", help="list the benchmarks, and stop")


def run(args: argparse.Namespace) -> None:
    """Score and print."""
    from eval.tasks import TASKS, parse_task

    if args.list:
        for name, task in TASKS.items():
            sys.stdout.write(f"{name:18} {task.title}\n")
        return
    if args.task is None or args.predictions is None:
        raise UserError("Which benchmark, and which answers?", fix="give TASK and --predictions FILE")
    if args.resamples < 1:
        raise UserError("--resamples must be at least 1", str(args.resamples))
    config = parse_task(args.task)
    if args.annotations is not None:
        config = replace(config, annotations=str(args.annotations))
    from eval.score_file import score_file
    from eval.scoring import Sampling

    gc.disable()  # millions of small objects that all live to the end: looking for cycles doubles the time
    result = score_file(
        config,
        args.predictions,
        missing=args.missing,
        extra=args.extra,
        sampling=Sampling(resamples=args.resamples),
    )
    if args.json:
        sys.stdout.write(json.dumps(result, ensure_ascii=False, indent=2, allow_nan=False) + "\n")
    else:
        show_score(result)


def show_score(result: Mapping[str, Any]) -> None:
    """The table of a score for people; what it is over stands first."""
    from rich.console import Console
    from rich.table import Table

    from eval.report.numbers import without_interval

    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    console.print(f"{result['title']}\n{_coverage(result)}")
    table = Table(title=f"{result['settings']['level']:.0%} intervals")
    table.add_column("metric")
    shown: dict[str, Any] = dict(result["metrics"])
    for name in ("value", "interval", "n"):
        table.add_column(name, justify="right")
    for metric, found in result["metrics"].items():
        table.add_row(metric, *_cells(found))
    for breakdown, kinds in result["by"].items():
        if _told_above(kinds, result):
            continue
        if kinds:
            table.add_section()
        for kind, part in kinds.items():
            if result["primary"] in part["metrics"]:
                cells = _cells(part["metrics"][result["primary"]])
                table.add_row(f"{breakdown}: {kind}", *cells, style="dim")
                shown[f"{breakdown}: {kind}"] = part["metrics"][result["primary"]]
    print_table(console, table)
    for line in without_interval(shown):
        console.print(line)


def _told_above(kinds: Mapping[str, Any], result: Mapping[str, Any]) -> bool:
    """Whether a breakdown has one kind alone, whose figure stands among the metrics already, as that of each
    of MM-Vet's capabilities does."""
    if len(kinds) != 1:
        return False
    (part,) = kinds.values()
    figure = part["metrics"].get(result["primary"])
    return figure is not None and any(_same(figure, other) for other in result["metrics"].values())


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one[key] == other[key] for key in ("value", "n", "clusters"))


def _coverage(result: Mapping[str, Any]) -> str:
    lines = [f"scored {result['n']} of {counted(result['of'], 'item')}"]
    if result["missing_counted_as_wrong"]:
        lines.append(
            f"{counted(result['missing_counted_as_wrong'], 'of them has', 'of them have')} no answer, which"
            " counts as wrong"
        )
    if result["n"] < result["of"]:
        lines.append(
            "this is not the whole benchmark:"
            f" {counted(result['of'] - result['n'], 'item is', 'items are')} left out"
        )
    if result["extra"]:
        lines.append(
            counted(
                result["extra"], "answer to another item is ignored", "answers to other items are ignored"
            )
        )
    return "\n".join(lines)


def _cells(found: Mapping[str, Any]) -> tuple[str, str, str]:
    if found["value"] is None:
        return "–", "–", str(found["n"])
    interval = "–" if found["low"] is None else f"{found['low']:.4f} – {found['high']:.4f}"
    return f"{found['value']:.4f}", interval, str(found["n"])
