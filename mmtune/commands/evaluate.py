"""``mmtune eval``: score a checkpoint on benchmarks in their official formats."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmtune.commands import stored_runs
from mmtune.commands.judge_arguments import JUDGE_HELP, place_of
from mmtune.errors import UserError
from mmtune.wording import counted

if TYPE_CHECKING:
    from eval.judges.judging import Judging
    from eval.tasks import TaskConfig

SUMMARY = "Score a checkpoint on benchmarks, with intervals, beside the blind baseline."
LARGE = 1 << 24
"""Bytes of training records that are compared by all cores."""
HOWS = ("generate", "next_token", "likelihood")
EXAMPLE = """
mmtune eval CHECKPOINT --miniworld OUT/data --out OUT/eval
mmtune eval CHECKPOINT --task pope:annotations=coco_pope_random.json,images=val2014 --out OUT/eval
mmtune eval hf:llava-hf/llava-1.5-7b-hf --task pope:annotations=… --how next_token --out OUT/eval
torchrun --nproc-per-node 8 -m mmtune eval CHECKPOINT --miniworld OUT/data --out OUT/eval
mmtune eval --compare OUT/before OUT/after --out OUT/compared
mmtune eval --show OUT/eval --line latex
mmtune eval --list
mmtune eval --fetch pope --into DATA/pope
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``mmtune eval``."""
    parser.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        nargs="?",
        help="folder of a checkpoint; or hf:FOLDER-OR-NAME, any image-text-to-text model of transformers; or"
        " openai:URL#MODEL, an endpoint (vLLM, SGLang …) whose key is in OPENAI_API_KEY",
    )
    parser.add_argument(
        "--task",
        action="append",
        default=[],
        metavar="TASK:KEY=VALUE,…",
        help="a benchmark and its files (annotations, images, prompt, limit …; --list says which settings"
        " each takes); can be repeated",
    )
    parser.add_argument(
        "--miniworld", type=Path, metavar="FOLDER", help="all benchmarks of a built miniworld"
    )
    parser.add_argument("--out", type=Path, help="folder for predictions, answers, metrics.json, report.html")
    parser.add_argument("--limit", type=int, help="items of each benchmark that has no limit= of its own")
    parser.add_argument("--batch-size", type=int, default=64, help="questions answered together (default 64)")
    parser.add_argument("--no-blind", action="store_true", help="leave the blind baseline out: half the time")
    parser.add_argument(
        "--how",
        choices=HOWS,
        default="generate",
        help="how items with options (yes or no, letters) are answered: generate, or let the model choose"
        " between them by the first token after one pass (next_token) or by all tokens (likelihood); the"
        " results say so",
    )
    parser.add_argument(
        "--no-cache",
        action="store_true",
        help="ask everything again; by default answers in the folder are kept that the same weights gave to"
        " the same prompt, image and settings",
    )
    parser.add_argument(
        "--judge",
        metavar="JUDGE",
        help=f"marks the answers where a benchmark needs it: {JUDGE_HELP}. `mmtune judge` has more options",
    )
    parser.add_argument(
        "--judge-prompt", type=Path, metavar="FILE", help="in the place of the prompt that ships"
    )
    parser.add_argument("--judge-runs", type=int, metavar="N", help="ask the judge this often (default 1)")
    parser.add_argument(
        "--judge-key-variable",
        metavar="NAME",
        default="OPENAI_API_KEY",
        help="environment variable of the judge's key (default OPENAI_API_KEY)",
    )
    parser.add_argument(
        "--train-data",
        action="append",
        default=[],
        metavar="FILE[,images=FOLDER]",
        help="records that the model was trained on: what of the benchmarks they show is told beside the"
        " score, with the score on the rest; can be repeated. By default those that a checkpoint remembers,"
        " where they are here; none: no comparison",
    )
    parser.add_argument(
        "--robust",
        type=lambda text: text.split(","),
        default=[],
        metavar="CHECK[:SETTING],…",
        help="ask the items again under other conditions and compare: paraphrase, permute, inject, blur,"
        " jpeg, crop, noise, no-image; as jpeg,blur:1+3,permute:4 (docs/robustness.md)",
    )
    parser.add_argument("--device", help="cpu, cuda, cuda:1 … (default: the GPU where there is one)")
    parser.add_argument("--list", action="store_true", help="list the benchmarks, and stop")
    parser.add_argument(
        "--json", action="store_true", help="with --list: as JSON, with licences and addresses"
    )
    parser.add_argument("--fetch", metavar="TASK", help="download a benchmark's files, and stop")
    parser.add_argument("--into", type=Path, metavar="FOLDER", help="with --fetch: where to (default: TASK)")
    parser.add_argument(
        "--from",
        dest="mirror",
        metavar="URL",
        help="with --fetch: a mirror's folder that has the files under their names (default:"
        " MMTUNE_FETCH_BASE, or the publisher's addresses)",
    )
    stored_runs.add_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Evaluate and print the table of metrics."""
    from eval.tasks import parse_task

    if args.list or args.fetch:
        from mmtune.commands.benchmarks import fetch_benchmark, list_benchmarks

        if args.list:
            list_benchmarks(as_json=args.json)
        else:
            fetch_benchmark(args.fetch, args.into, args.mirror)
        return
    if stored_runs.asked(args):
        stored_runs.run(args)
        return
    if args.checkpoint is None or args.out is None:
        raise UserError("Which checkpoint, and where to?", fix="give CHECKPOINT and --out FOLDER")
    tasks = [parse_task(text) for text in args.task]
    if args.miniworld:
        from mmtune.quickstart.evaluation import miniworld_tasks

        tasks += miniworld_tasks(args.miniworld)
    if args.limit is not None:
        tasks = [task if task.limit is not None else replace(task, limit=args.limit) for task in tasks]
    how = _judging(args)
    compare = _comparison(args)
    from eval.runner import run as evaluate

    results = evaluate(
        args.checkpoint,
        tasks,
        args.out,
        blind=not args.no_blind,
        batch_size=args.batch_size,
        device=args.device,
        how=args.how,
        cache=not args.no_cache,
        robust=args.robust,
    )
    if results is None:  # the first process of several writes for all
        return
    failures: list[Exception] = []  # of what follows the answers; neither may cost their report
    if how is not None:
        from eval.judges.after_run import judge_run

        results = judge_run(args.out, results, tasks, how, failures)
    if (failed := compare(results, tasks)) is not None:
        failures.append(failed)
    from mmtune.commands.judged_table import tell_judged
    from mmtune.commands.metrics_table import show_metrics
    from mmtune.commands.overlap_lines import overlap_lines

    show_metrics(results)
    tell_judged(results)
    sys.stdout.writelines(f"{line}\n" for line in overlap_lines(results))
    from eval.report import write_report

    page = write_report(
        args.out,
        results=results,
        predictions=args.out / "predictions.jsonl",
        runs=_run_of(args.checkpoint),
        heading=f"{_name(args.checkpoint)} on {counted(len(results['tasks']), 'benchmark')}",
    )
    sys.stdout.write(f"{args.out / 'metrics.json'}\nreport: {page}\n")
    from eval.results import refuse_unanswered

    refuse_unanswered(results)
    if failures:
        raise failures[0]


def _judging(args: argparse.Namespace) -> Judging | None:
    """The judge, looked at before the model is loaded, so that a wrong name costs nothing."""
    if args.judge is None:
        return None
    from data_builders.teachers.opening import Hiring
    from eval.judges.judging import Judging

    place, model = place_of(args.judge)
    return Judging(
        Hiring(place, model, key_variable=args.judge_key_variable),
        prompt=args.judge_prompt,
        runs=args.judge_runs,
    )


def _comparison(
    args: argparse.Namespace,
) -> Callable[[dict[str, Any], Sequence[TaskConfig]], Exception | None]:
    """What compares the benchmarks with the training records; that these are there is checked at once.

    It gives the error that is to end the command once all else is written: the answers are there, and a
    comparison that fails must not cost their report.
    """
    from mmtune.commands import training_data

    if args.train_data == [training_data.NONE]:
        return lambda results, tasks: None
    notes: list[str] = []
    if args.train_data:
        records = training_data.named(args.train_data)
    else:
        records, notes = training_data.remembered(args.checkpoint)

    def compare(results: dict[str, Any], tasks: Sequence[TaskConfig]) -> Exception | None:
        if not records and not notes:
            return None
        from eval.overlap import add_overlap, without_overlap
        from eval.tasks import build_tasks

        workers = os.cpu_count() or 1 if sum(one.path.stat().st_size for one in records) > LARGE else 1
        try:
            add_overlap(results, args.out, build_tasks(tasks), records, notes=notes, workers=workers)
        except Exception as error:  # noqa: BLE001 - given back, and raised when the report is written
            without_overlap(results, args.out, error, notes=notes)
            asked = args.train_data or not isinstance(error, UserError)
            return error if asked else None
        return None

    return compare


def _run_of(model: str) -> dict[str, Path]:
    """The training run that a checkpoint was saved by, where it lies in the run's folder: for its curves."""
    run = Path(model).resolve().parents[1] if len(Path(model).resolve().parents) > 1 else Path(model)
    return {run.name: run} if (run / "scalars.jsonl").is_file() else {}


def _name(model: str) -> str:
    """What to call a model in the heading of its report."""
    return Path(model).resolve().name if Path(model).exists() else model
