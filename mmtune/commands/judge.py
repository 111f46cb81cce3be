"""``mmtune judge``: have a judge mark answers that exist already, or score its judgements again."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmtune.commands.answer_arguments import take_answers
from mmtune.commands.judge_arguments import hiring_of, take_judge
from mmtune.errors import UserError
from mmtune.wording import counted

if TYPE_CHECKING:
    from eval.tasks import TaskConfig

SUMMARY = "Have a judge mark answers that exist already, or score its judgements again."
EXAMPLE = """
mmtune judge mmvet:annotations=mm-vet.json --predictions a.json --judge openai:URL#MODEL --out judged
mmtune judge --replay judged --out again
mmtune judge mmvet:annotations=mm-vet.json --mode pairwise --predictions a.json --against b.json \
  --judge openai:URL#MODEL --out pairs
mmtune judge --agree judged-by-one judged-by-another
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``mmtune judge``."""
    parser.add_argument(
        "task",
        metavar="TASK",
        nargs="?",
        help="mmvet, llavabench, mmhal or hallusionbench; with --mode checklist or pairwise any benchmark",
    )
    parser.add_argument(
        "--predictions", type=Path, metavar="FILE", help="answers, or a run's predictions.jsonl"
    )
    parser.add_argument("--annotations", type=Path, metavar="FILE", help="the benchmark's official file")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="for the judgements and the score")
    parser.add_argument(
        "--replay",
        type=Path,
        metavar="FOLDER",
        help="score the judgements in this folder again, without their judge; task and files are those"
        " recorded unless they are given",
    )
    parser.add_argument(
        "--agree",
        type=Path,
        nargs=2,
        metavar=("A", "B"),
        help="only tell how far two judges agree: folders of judgements, or rows of {id, verdict}",
    )
    parser.add_argument(
        "--mode",
        choices=("benchmark", "checklist", "pairwise"),
        help="benchmark: by its own rubric (default); checklist: one yes-or-no question a requirement;"
        " pairwise: against other answers",
    )
    parser.add_argument("--against", type=Path, metavar="FILE", help="pairwise: the other model's answers")
    parser.add_argument(
        "--checklists",
        type=Path,
        metavar="FILE",
        help="checklist: rows of {id, checklist}; without it the judge writes OUT/checklists.jsonl",
    )
    parser.add_argument(
        "--context",
        type=Path,
        metavar="FILE",
        help="LLaVA-Bench: context.jsonl (default: beside questions)",
    )
    parser.add_argument(
        "--reference", type=Path, metavar="FILE", help="LLaVA-Bench: answers_gpt4.jsonl (default: likewise)"
    )
    take_answers(parser, "judge")
    take_judge(parser)


def run(args: argparse.Namespace) -> None:
    """Judge, replay, compare two judges, or tell the price."""
    if args.resamples < 1:
        raise UserError("--resamples must be at least 1", str(args.resamples))
    if args.agree is not None:
        _agree(args)
        return
    from eval.judges.answers import described_files, read_case
    from eval.judges.base import Beside
    from eval.judges.judgements import read_judgements
    from eval.judges.judging import Judging
    from eval.judges.pricing import estimate_of
    from eval.judges.run import judge
    from eval.scoring import Sampling

    recorded: Mapping[str, Any] = {}
    if args.replay is not None:
        recorded, _ = read_judgements(args.replay)
    how = Judging(
        hiring=hiring_of(args),
        replay=args.replay,
        mode=args.mode or recorded.get("mode", "benchmark"),
        prompt=args.prompt,
        runs=args.runs,
        swap=False if args.no_swap else None,
        max_tokens=args.max_tokens,
        temperature=args.temperature,
        checklists=args.checklists,
        show_images=args.show_images,
        beside=Beside(_path(args.context, recorded, "context"), _path(args.reference, recorded, "reference")),
        sampling=Sampling(resamples=args.resamples),
    )
    predictions = _path(args.predictions, recorded, "predictions")
    against = _path(args.against, recorded, "against")
    if predictions is None or args.out is None:
        raise UserError("Which answers, and where to?", fix="give --predictions FILE and --out FOLDER")
    missing = recorded.get("missing", "refuse") if args.missing == "refuse" else args.missing
    case = read_case(
        _config(args, recorded),
        predictions,
        against=against,
        missing=missing,
        extra=args.extra,
        blind=recorded.get("blind", False),
    )
    if args.dry_run:
        _tell_price(estimate_of(case, how, args.out), args.json)
        return
    described = {
        "predictions": str(predictions),
        **described_files(case.task),
        "missing": missing,
        **{name: str(path) for name, path in (("against", against), *vars(how.beside).items()) if path},
    }
    _show(judge(case, how, args.out, described), args)


def _config(args: argparse.Namespace, recorded: Mapping[str, Any]) -> TaskConfig:
    from eval.tasks import TaskConfig, parse_task

    if args.task is None and not recorded:
        raise UserError("Which benchmark?", fix="give TASK, as mmvet")
    if args.task is None:
        config = TaskConfig(**recorded["config"])
    else:
        config = parse_task(args.task)
        if config.annotations is None and "config" in recorded:
            config = replace(config, annotations=recorded["config"].get("annotations"))
    return config if args.annotations is None else replace(config, annotations=str(args.annotations))


def _path(given: Path | None, recorded: Mapping[str, Any], name: str) -> Path | None:
    return given or (Path(recorded[name]) if name in recorded else None)


def _show(result: Mapping[str, Any], args: argparse.Namespace) -> None:
    if args.json:
        _print_json(result)
        return
    from mmtune.commands.judged_table import show_judged

    path = args.out / "judged.json"
    show_judged({**result, "judged_file": str(path)})
    sys.stdout.write(f"{path}\n")


def _tell_price(found: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        _print_json(found)
        return
    more = (
        f", and up to {found['more_attempts']} more where a reply cannot be read"
        if found["more_attempts"]
        else ""
    )
    sys.stdout.write(
        f"{counted(found['requests'], 'request')}"
        f" ({counted(found['known'], 'more is', 'more are')} known){more};"
        f" about {found['prompt_tokens']:,} tokens to read, at most {found['completion_tokens']:,} to write;"
        f" {found['price']}\n"
    )
    if found["checks_to_come"]:
        sys.stdout.write("these write the checklists; a request for each check comes on top\n")


def _agree(args: argparse.Namespace) -> None:
    from eval.judges.agreement import agreement
    from eval.scoring import Sampling

    first, second = args.agree
    result = agreement(first, second, Sampling(resamples=args.resamples))
    if args.json:
        _print_json(result)
        return
    from mmtune.commands.judged_table import show_agreement

    show_agreement(result)


def _print_json(value: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n")
