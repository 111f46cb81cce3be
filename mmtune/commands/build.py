"""``mmtune build``: write a data set, list the builders, verify what was built."""

from __future__ import annotations

import argparse
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmtune.errors import UserError
from mmtune.wording import counted

SUMMARY = "Build data: images, records and benchmark files in their official formats."
EXAMPLE = """
mmtune build --list
mmtune build miniworld --out OUT/data --seed 1 --train-scenes 20000 --workers 8
mmtune build programs --in OUT/data --out OUT/programs.jsonl
mmtune build grounding_box --in instances_val2017.json --image-root val2017 --out OUT/boxes.jsonl
mmtune build marked_objects --in OUT/data --image-root OUT/data/images --out OUT/marked.jsonl
mmtune build --verify OUT/programs.jsonl --in OUT/data
mmtune build povid --in OUT/data --out OUT/pairs.jsonl
mmtune build llava_detail --in scenes.jsonl --out OUT/detail --teacher http://127.0.0.1:8000/v1 --model M
"""

GROUPS: dict[str, dict[str, tuple[Callable[[str], Any], str]]] = {
    "annotations and images": {
        "image-root": (Path, "folder of the scenes' images, which must then be there"),
        "unpack": (Path, "folder to write the images to that are inside the annotations (shards, parquet)"),
        "reader": (str, "format of the annotations (default: found out from their content)"),
        "exhaustive": (str, "classes, with commas between, of which every instance is annotated"),
        "licence": (str, "of images whose annotation states none"),
        "limit": (int, "scenes to read at most (default: all)"),
        "records": (Path, "LLaVA JSON, for builders that work on records"),
        "results": (Path, "dataengine: JSON rows of an evaluation, with kind, question and right"),
    },
    "what is drawn or asked by program": {
        "seed": (int, "same seed and settings, same files (default 0)"),
        "count": (int, "pictures to draw (default 1000)"),
        "train-scenes": (int, "miniworld: scenes to train on (default 8000)"),
        "val-scenes": (int, "miniworld: scenes to validate on (default 200)"),
        "test-scenes": (int, "miniworld: scenes of the benchmarks (default 400)"),
        "turns": (int, "most questions of one program in a record (default 4)"),
        "mode": (str, "answers: short, choice (multiple), or both (default)"),
        "names": (str, "a class name alone refers to an object if its class is 'exhaustive' (default) or"
                       " 'annotated' once"),
        "digits": (int, "of coordinates, which are ratios (default 2)"),
    },
    "the teacher, for builders that have one": {
        "teacher": (str, "who writes: an address that ends in /v1, batch (files), rules (no model), or a"
                         " checkpoint's folder"),
        "model": (str, "the teacher's, as the endpoint names it"),
        "prompts": (Path, "folder of prompts in place of those that ship"),
        "cache": (Path, "file of answers that were paid for (default: in the build's folder)"),
        "max-tokens": (int, "of an answer (default 1024)"),
        "temperature": (float, "of the teacher (default 0)"),
        "concurrency": (int, "requests under way at once (default 16)"),
        "requests-per-minute": (int, "at most (default: no limit)"),
        "tokens-per-minute": (int, "at most, read and written (default: no limit)"),
        "key-variable": (str, "environment variable that holds the endpoint's key (default OPENAI_API_KEY)"),
        "price-in": (float, "of a million tokens that the teacher reads"),
        "price-out": (float, "of a million tokens that it writes"),
        "max-budget": (float, "what all runs of this build may cost, in the currency of the prices"),
        "dry-run": (bool, "only say how many requests and tokens it would be, and the price"),
    },
    "preferences": {
        "labeller": (str, "who judges what the teacher wrote, as --teacher (default: the teacher)"),
        "labeller-model": (str, "the labeller's, as its endpoint names it"),
        "candidates": (int, "answers to one question that are compared (default 4)"),
        "noise-step": (int, "preferences: step of a diffusion, 1 to 1000, to which images are noised"),
        "edits": (int, "povid: hallucinations in a rejected answer (default 1)"),
        "facts": (int, "povid: statements of a description at most (default 6)"),
    },
    "this machine or many": {
        "workers": (int, "processes (default: all cores)"),
        "engine": (str, "local, processes (default) or ray; what is built does not depend on it"),
    },
}  # fmt: skip
"""What a builder may take, by the heading in the help; the defaults are the builder's own."""

SETTINGS = {name: about for group in GROUPS.values() for name, about in group.items()}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``mmtune build``."""
    parser.usage = (
        "mmtune build [-h] (--list | --verify RECORDS | BUILDER) [--in PATH …] [--out OUT] [settings]"
    )
    parser.add_argument("builder", nargs="?", metavar="BUILDER", help="what to build, see --list")
    parser.add_argument("--list", action="store_true", help="say of each builder what it needs and makes")
    parser.add_argument(
        "--verify",
        type=Path,
        metavar="RECORDS",
        help="recompute every answer of a file; the reasons against it go to --out (default: beside it)",
    )
    parser.add_argument(
        "--in",
        dest="inputs",
        type=Path,
        nargs="+",
        metavar="PATH",
        help="annotations, or a miniworld folder",
    )
    parser.add_argument("--out", type=Path, help="file or folder to write to")
    for heading, settings in GROUPS.items():
        group = parser.add_argument_group(heading)
        for name, (kind, meaning) in settings.items():
            if kind is bool:
                group.add_argument(f"--{name}", action="store_const", const=True, help=meaning)
            else:
                group.add_argument(f"--{name}", type=kind, help=meaning)


def run(args: argparse.Namespace) -> int:
    """Build and say what is there; exit status 2 where a record does not verify."""
    if args.list:
        return _list()
    if args.verify is not None:
        return _verify(args)
    if args.builder is None:
        raise UserError("No builder is named", fix="`mmtune build --list` shows them")
    return _build(args)


def _list() -> int:
    from data_builders.builders import builders

    width = max(map(len, builders()))
    for builder in builders().values():
        paper = f" ({builder.paper})" if builder.paper else ""
        sys.stdout.write(f"{builder.name:<{width}}  {builder.makes}; needs {builder.needs}{paper}\n")
    return 0


def _verify(args: argparse.Namespace) -> int:
    from data_builders.preference import verifying
    from data_builders.problems import beside
    from data_builders.programs.building import claimed_classes
    from data_builders.programs.inputs import Annotations
    from data_builders.prompted.verifying import verify_file

    if not args.inputs:
        raise UserError("Records are verified against scenes", "--in", "say where the scenes are")
    claimed = claimed_classes(args.exhaustive)
    annotations = Annotations(tuple(args.inputs), args.image_root, args.reader, claimed, args.licence or "")
    noted = args.out or beside(args.verify, "verify-problems")
    of_pairs = verifying.holds_pairs(args.verify)
    done = (verifying.verify_file if of_pairs else verify_file)(args.verify, annotations, noted)
    sys.stdout.write(
        f"{args.verify}: {counted(done.counts['records'], 'record')}, {done.problems or 'all verified'}\n"
    )
    return 2 if done.problems else 0


def _build(args: argparse.Namespace) -> int:
    from data_builders.builders import get_builder
    from mmtune.progress import Progress

    builder = get_builder(args.builder)
    if args.out is None:
        raise UserError(f"{args.builder} must know where to write", "--out", "name a file or a folder")
    settings = _settings(args, builder.build)
    with Progress(None, f"build {args.builder}", unit="image") as progress:

        def show(done: int, total: int) -> None:
            progress.total = total
            progress.advance(done - progress.done)

        if "progress" in inspect.signature(builder.build).parameters:
            settings["progress"] = show
        built = builder.build(out=args.out, **settings)
    counts = ", ".join(f"{name} {count}" for name, count in built.counts.items())
    price = getattr(built, "price", "")  # of a dry run
    sys.stdout.write(f"{args.out}: {counts}{', ' if price else ''}{price}\n")
    if problems := getattr(built, "problems", ""):
        sys.stderr.write(f"{args.out}: {problems}\n")
    return 0


def _settings(args: argparse.Namespace, builder: Callable[..., Any]) -> dict[str, Any]:
    """The settings that were given, which the builder must take."""
    takes = inspect.signature(builder).parameters
    settings: dict[str, Any] = {}
    for name in SETTINGS:
        key = name.replace("-", "_")
        value = getattr(args, key)
        if value is not None and key not in takes:
            raise UserError(f"{args.builder} has no such setting", f"--{name}", "leave the option out")
        if value is not None:
            settings[key] = value
    if "workers" in takes:
        settings.setdefault("workers", os.cpu_count() or 1)
    needed = "inputs" in takes and (takes["inputs"].default is inspect.Parameter.empty or not args.records)
    if (args.inputs and "inputs" not in takes) or (needed and not args.inputs):
        fix = "say where its scenes are" if "inputs" in takes else "leave the option out"
        raise UserError(f"{args.builder} {'needs' if 'inputs' in takes else 'has no'} input", "--in", fix)
    if args.inputs:
        settings["inputs"] = args.inputs
    return settings
