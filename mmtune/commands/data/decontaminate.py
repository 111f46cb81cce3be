"""``mmtune data decontaminate``: leave out rows that give a benchmark away."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from mmtune.commands.data.arguments import (
    engine_of,
    root_of,
    say,
    spare_inputs,
    take_engine,
    take_file,
    tell_problems,
    write_list,
)
from mmtune.errors import UserError
from mmtune.wording import counted

if TYPE_CHECKING:
    from data_builders.curate.benchmark_items import BenchmarkItem

SUMMARY = "Leave out rows with the image and the question of a benchmark, and list every match."
EXAMPLE = """
mmtune data decontaminate my-data.json --image-root images/ --out clean.jsonl \\
  --task pope:annotations=coco_pope_random.json,images=val2014 \\
  --task vqav2:questions=questions.json,annotations=annotations.json,images=val2014
mmtune data decontaminate my-data.json --records held-out.json --rule image --out clean.jsonl
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``mmtune data decontaminate``."""
    take_file(parser)
    parser.add_argument("--out", type=Path, required=True, help="file of the kept rows (.json or .jsonl)")
    parser.add_argument(
        "--task",
        action="append",
        default=[],
        metavar="TASK:KEY=VALUE,…",
        help="a benchmark and its files, as for mmtune eval; can be repeated",
    )
    parser.add_argument(
        "--records",
        action="append",
        default=[],
        metavar="FILE[:IMAGE_ROOT]",
        help="a benchmark or held-out set in LLaVA's format; can be repeated",
    )
    parser.add_argument("--miniworld", type=Path, metavar="FOLDER", help="benchmarks of a built miniworld")
    parser.add_argument(
        "--rule",
        choices=("both", "image", "question", "either"),
        default="both",
        help="what a dropped row shares with an item (default: image and question both)",
    )
    parser.add_argument(
        "--similarity",
        type=float,
        default=1.0,
        help="least Jaccard similarity of questions (default 1: same)",
    )
    parser.add_argument(
        "--difference",
        type=float,
        default=16.0,
        help="greatest difference of two images' worst block, of 255",
    )
    take_engine(parser)


def run(args: argparse.Namespace) -> None:
    """Write the kept rows, and beside them the lists of matches and of unusable rows."""
    from data_builders.curate.decontaminate import DecontaminationSettings, find_leaks
    from data_builders.curate.image_match import MatchSettings
    from data_builders.curate.keep import write_kept
    from data_builders.problems import beside

    spare_inputs([args.path], [args.out, beside(args.out), beside(args.out, "matches")])
    settings = DecontaminationSettings(
        root_of(args), args.rule, args.similarity, MatchSettings(difference=args.difference)
    )
    items = _items(args)
    found = find_leaks(args.path, items, settings, engine_of(args))
    unread = Counter(problem.source for problem in found.benchmark_problems)
    for benchmark, count in unread.items():
        first = next(one for one in found.benchmark_problems if one.source == benchmark)
        say(
            f"{count} of {counted(found.benchmark_images[benchmark], 'image')} of {benchmark}"
            f" could not be read, so that"
            f" only the questions about them were compared; the first: {first.reason}"
        )
    tell_problems(args.path, found.problems, beside(args.out), found.benchmark_problems)
    write_list(beside(args.out, "matches"), found.leaks)
    for benchmark in dict.fromkeys(item.benchmark for item in items):
        kinds = Counter(leak.kind for leak in found.leaks if leak.benchmark == benchmark)
        rows = len({leak.row for leak in found.leaks if leak.benchmark == benchmark and leak.dropped})
        told = ", ".join(f"{kind}: {count}" for kind, count in sorted(kinds.items())) or "no match"
        say(f"{benchmark}: {told}; {counted(rows, 'row')} dropped")
    kept = write_kept(args.path, args.out, found.dropped, found.rows)
    say(f"{args.out}: {kept} of {counted(found.rows, 'row')}")


def _items(args: argparse.Namespace) -> list[BenchmarkItem]:
    """The questions of all benchmarks that were named."""
    from data_builders.curate.benchmark_items import BenchmarkItem
    from eval.tasks import build_tasks, parse_task

    configs = [parse_task(text) for text in args.task]
    if args.miniworld:
        from mmtune.quickstart.evaluation import miniworld_tasks

        configs += miniworld_tasks(args.miniworld)
    items = []
    for name, task in build_tasks(configs).items() if configs else ():
        asks = task.asks_questions
        items += [
            BenchmarkItem(name, item.id, image, task.images, item.question if asks else "")
            for item in task.load()
            for image in item.images or (None,)
        ]
    for text in args.records:
        items += _of_records(text)
    if not items:
        raise UserError(
            "There is no benchmark to compare with", fix="name one with --task, --records or --miniworld"
        )
    return items


def _of_records(text: str) -> list[BenchmarkItem]:
    """Each question of each record about each of its images."""
    from data_builders.curate.benchmark_items import BenchmarkItem
    from mmtune.errors import RecordError
    from mmtune.records import iter_llava

    name, _, root = text.partition(":")
    path = Path(name)
    items = []
    for row, record in iter_llava(path):
        if isinstance(record, RecordError):
            raise UserError(f"a held-out record cannot be used: {record}", f"{path}, row {row}")
        seen = [image.path for image in record.images if not image.is_video]
        paths: list[str | None] = [*seen] or [None]
        for number, turn in enumerate(record.turns):
            if turn.role == "user":
                items += [
                    BenchmarkItem(
                        path.name, f"{record.id}#{number}", image, Path(root or path.parent), turn.text
                    )
                    for image in paths
                ]
    return items
