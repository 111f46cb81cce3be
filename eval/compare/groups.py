"""What is compared: models, each one run or several seeds of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.compare.stored import StoredRun, read_run
from mmtune.errors import UserError


@dataclass(frozen=True)
class Group:
    """A model: its name and its run, or the runs of its seeds."""

    name: str
    runs: tuple[StoredRun, ...]


def parse_groups(texts: Sequence[str]) -> list[Group]:
    """Read the runs that are to be compared.

    Args:
        texts: for each model its run's folder, or the folders of its seeds with commas between them; either
            may have a name in front, as ``tuned=OUT/eval``.

    Returns:
        Models with names that differ, by default as much of the folders as tells them apart.

    Raises:
        UserError: for fewer than two models, a run that stands there twice, or one that cannot be read.
    """
    if len(texts) < 2:
        raise UserError("One run alone cannot be compared", fix="give two: --compare A B")
    named = [_split(text) for text in texts]
    folders = [folder.resolve() for _, group in named for folder in group]
    for folder, times in Counter(folders).items():
        if times > 1:
            raise UserError("A run is to be compared with itself", str(folder), "give two different runs")
    names = _names([name for name, _ in named], [group for _, group in named])
    return [
        Group(name, tuple(read_run(folder) for folder in group))
        for name, (_, group) in zip(names, named, strict=True)
    ]


def _split(text: str) -> tuple[str, list[Path]]:
    name, equals, rest = text.partition("=")
    if not equals or not name or Path(text).exists():
        name, rest = "", text
    # A folder may have a comma in its name.
    folders = [Path(rest)] if Path(rest).exists() else [Path(part) for part in rest.split(",") if part]
    if not folders:
        raise UserError("A run has no folder", text, "give the --out folder of an mmtune eval")
    return name, folders


def _names(given: Sequence[str], groups: Sequence[Sequence[Path]]) -> list[str]:
    """The given names, else the ends of the first folders, as long as they must be to differ."""
    parts = [group[0].resolve().parts for group in groups]
    for length in range(1, max(map(len, parts)) + 1):
        names = [
            name or "/".join(path[-length:]) + (f" and {len(group) - 1} more" if len(group) > 1 else "")
            for name, path, group in zip(given, parts, groups, strict=True)
        ]
        if len(set(names)) == len(names):
            return names
    raise UserError("Two models have one name", ", ".join(given), "give them different ones: NAME=FOLDER")
