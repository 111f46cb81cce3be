"""Arguments and lines that the verbs of ``mmtune data`` share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmtune.errors import UserError
from mmtune.wording import counted

if TYPE_CHECKING:
    from data_builders.engines import Engine
    from data_builders.problems import Problem

ENGINES = ("local", "processes", "ray")
SHOWN = 10
"""Rows that a verb names where a file lists all of them."""


def take_file(parser: argparse.ArgumentParser, image_root: bool = True, optional: bool = False) -> None:
    """The file of records, and the folder of its images."""
    parser.add_argument(
        "path",
        type=Path,
        metavar="FILE",
        nargs="?" if optional else None,
        help="records in LLaVA JSON or JSONL",
    )
    if image_root:
        parser.add_argument(
            "--image-root", type=Path, help="folder that image paths start from (default: the file's own)"
        )


def take_engine(parser: argparse._ActionsContainer) -> None:
    """Where the work is done."""
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        help="local: this process; processes: cores of this machine; ray: a Ray cluster, or a local one;"
        " the output is the same (default: local, processes where --workers is above 1)",
    )
    parser.add_argument("--workers", type=int, default=1, help="processes (default 1)")


def engine_of(args: argparse.Namespace) -> Engine:
    """The engine that was asked for."""
    from data_builders.engines import get_engine

    return get_engine(args.engine, args.workers)


def root_of(args: argparse.Namespace) -> Path:
    """The folder of the images, which must be there."""
    root: Path = args.image_root or args.path.parent
    if not root.is_dir():
        raise UserError("There is no such image root", str(root), "give the images' folder with --image-root")
    return root


def spare_inputs(inputs: Iterable[Path], outs: Iterable[Path | None]) -> None:
    """Refuse an output, given or beside one that was given, that would take the place of what is read.

    Raises:
        UserError: one would, or two outputs are the same file.
    """
    taken = {path.resolve(): "the output is the input" for path in inputs}
    for out in outs:
        if out is None:
            continue
        if clash := taken.get(out.resolve()):
            raise UserError(clash, str(out), "choose another file")
        taken[out.resolve()] = "two outputs are the same file"


def write_list(path: Path, rows: Sequence[Any]) -> None:
    """Write a list and say where it is; an old one of that name goes away where there is nothing to list."""
    from data_builders.rows import write_rows

    if rows:
        write_rows(path, rows)
        say(f"{path}: {len(rows)}")
    else:
        path.unlink(missing_ok=True)


def tell_problems(
    path: Path, problems: Sequence[Problem], listed: Path, more: Sequence[Problem] = ()
) -> None:
    """Name the first rows that could not be used, and where the list of all is; ``more`` go into it alone."""
    for problem in problems[:SHOWN]:
        say(f"{path}, {problem}")
    if len(problems) > SHOWN:
        say(f"… and {counted(len(problems) - SHOWN, 'more row')} that cannot be used")
    write_list(listed, [*problems, *more])


def say(line: str) -> None:
    """One line on standard output."""
    sys.stdout.write(line + "\n")
