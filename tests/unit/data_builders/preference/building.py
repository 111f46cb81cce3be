"""Preference pairs built with rules in the teacher's place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data_builders.preference import PREFERENCE
from data_builders.preference.asking import PROMPTS
from data_builders.prompted.base import Kit, Source
from data_builders.prompted.prompts import Prompts
from data_builders.prompted.run import run
from data_builders.teachers.base import Request
from data_builders.teachers.rules import Rule, Rules
from mmtune.records import Preference, parse_preference


def kit_of(drawn: Path, **options: Any) -> Kit:
    """The prompts, and the folder of the scenes' images."""
    return Kit(Prompts(None, PROMPTS), image_root=drawn, options=options)


def rows_of(folder: Path, name: str) -> list[dict[str, Any]]:
    """The rows of one of a build's files."""
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]


def built(
    name: str,
    sources: list[Source],
    folder: Path,
    drawn: Path,
    rules: Mapping[str, Rule] | None = None,
    **options: Any,
) -> tuple[list[Preference], list[dict[str, Any]], list[dict[str, Any]]]:
    """Pairs, rejections and failures, with some rules changed."""
    builder = PREFERENCE[name]
    run(builder, sources, Rules({**builder.rules, **(rules or {})}), folder, kit_of(drawn, **options))
    pairs = [parse_preference(row, place) for place, row in enumerate(rows_of(folder, "records"))]
    return pairs, rows_of(folder, "rejected"), rows_of(folder, "failures")


class Noting(Rules):
    """Rules that remember what they were asked."""

    def __init__(self, rules: Any) -> None:
        super().__init__(rules)
        self.asked: list[Request] = []

    def answer(self, request: Request) -> Any:
        self.asked.append(request)
        return super().answer(request)
