"""The options by which a verb of ``mmtune data`` is given a teacher."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mmtune.commands.limit_arguments import limits_of, take_dry_run, take_limits

if TYPE_CHECKING:
    from data_builders.teachers.opening import Hiring


def take_teacher(parser: argparse.ArgumentParser, costs: bool = True) -> None:
    """Which teacher, how fast, for how much; with ``costs`` images are sent and a dry run tells the price."""
    group = parser.add_argument_group("teacher")
    group.add_argument(
        "--teacher",
        help="who is asked: an address that ends in /v1, batch (files), rules (no model: for tests), or a"
        " checkpoint's folder",
    )
    group.add_argument("--teacher-model", metavar="NAME", help="as the endpoint names it")
    group.add_argument("--temperature", type=float, default=0.0, help="of the answers (default 0)")
    group.add_argument("--max-tokens", type=int, default=512, help="of an answer (default 512)")
    take_limits(group, "teacher")
    if not costs:
        return
    group.add_argument("--text-only", action="store_true", help="send no images: the teacher reads only")
    take_dry_run(group)


def hiring_of(args: argparse.Namespace) -> Hiring:
    """The teacher that was asked for."""
    from data_builders.teachers.opening import Hiring

    return Hiring(
        args.teacher,
        args.teacher_model,
        args.max_tokens,
        args.temperature,
        **limits_of(args),
    )
