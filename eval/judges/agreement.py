"""Do two judges agree? Exactly, and beyond chance, with intervals; a judge may also be people."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eval.json_files import read_rows
from eval.metrics.agreement import disagreements
from eval.metrics.intervals import Array, Totals, ratio
from eval.scoring import Sampling, with_intervals
from eval.tasks.official_files import fields
from mmtune.errors import UserError

VERDICTS = "verdicts.jsonl"
_LISTED = 20
_NUMBER = re.compile(r"/\d+$")
"""Of a check, behind its item."""


def agreement(first: Path, second: Path, sampling: Sampling | None = None) -> dict[str, Any]:
    """How far two judgements of the same answers agree, over the items that both have a verdict on.

    Of a judge that ran several times the first run counts. The checks of one item's checklist, with ids
    ``ITEM/NUMBER``, are drawn together for the intervals.

    Args:
        first: a folder of ``mmtune judge``, or rows of {id, verdict}, as people's labels.
        second: likewise.
        sampling: how intervals are drawn.

    Returns:
        ``{"n" (items with both verdicts), "of" (all items in either), "only_first", "only_second",
        "unparsed", "metrics": {exact, kappa, weighted_kappa (for numbers)}, "labels",
        "table" (first → second → count), "disagree" (the first ids)}``; kappa is None where it is undefined.

    Raises:
        UserError: if a file cannot be read, or no item has both verdicts.
    """
    sampling = sampling or Sampling()
    ours, theirs = read_verdicts(first), read_verdicts(second)
    shared = [name for name in ours if name in theirs]
    read = [name for name in shared if ours[name] is not None and theirs[name] is not None]
    if not read:
        raise UserError(
            "The two have no item with both verdicts", f"{first}, {second}", "judge one set of answers"
        )
    pairs = [(ours[name], theirs[name]) for name in read]
    labels = _labels(pairs)
    place = {label: number for number, label in enumerate(labels)}
    cells = [(place[a], place[b]) for a, b in pairs]
    numbers = [float(label) for label in labels] if all(_number(label) for label in labels) else None  # type: ignore[arg-type]
    table: dict[str, dict[str, int]] = {str(a): {str(b): 0 for b in labels} for a in labels}
    for a, b in pairs:
        table[str(a)][str(b)] += 1
    return {
        "n": len(read),
        "of": len({*ours, *theirs}),
        "only_first": len(ours) - len(shared),
        "only_second": len(theirs) - len(shared),
        "unparsed": len(shared) - len(read),
        "metrics": _estimates(cells, numbers, _drawn_with(read, first, second), sampling),
        "labels": [str(label) for label in labels],
        "table": table,
        "disagree": [name for name, (a, b) in zip(read, pairs, strict=True) if a != b][:_LISTED],
        "settings": {"level": sampling.level, "resamples": sampling.resamples, "seed": sampling.seed},
        "first": str(first),
        "second": str(second),
    }


def read_verdicts(path: Path) -> dict[str, Hashable]:
    """Verdicts by id, None where the judge's reply could not be read.

    Raises:
        UserError: if the file cannot be read, or an id stands there twice.
    """
    path = _file(path)
    found: dict[str, Hashable] = {}
    for number, row in enumerate(read_rows(path), start=1):
        identity, verdict = fields(row, ("id", "verdict"), path, number)
        if str(identity) in found:
            raise UserError(f"The id {identity} stands there twice", f"{path}, row {number}", "keep one")
        if isinstance(verdict, list | dict):
            raise UserError(f"The verdict on {identity} is no word or number", f"{path}, row {number}")
        found[str(identity)] = float(verdict) if _number(verdict) else verdict
    return found


def _drawn_with(names: Sequence[str], first: Path, second: Path) -> list[str]:
    """The item of each verdict. Ids of items may have slashes, too: what a judge's rows do not say to be a
    check is an item whole."""
    whole = {
        str(row["id"])
        for path in (first, second)
        for row in read_rows(_file(path))
        if "verdicts" in row and "check" not in row
    }
    return [name if name in whole else _NUMBER.sub("", name) for name in names]


def _file(path: Path) -> Path:
    return path / VERDICTS if path.is_dir() else path


def _estimates(
    cells: Sequence[tuple[int, int]],
    numbers: Sequence[float] | None,
    clusters: Sequence[str],
    sampling: Sampling,
) -> dict[str, Any]:
    kinds = list(dict.fromkeys(cells))
    counts = {f"{i},{j}": [float((i, j) == cell) for cell in cells] for i, j in kinds}

    def statistic(totals: Totals) -> dict[str, Array]:
        by_cell = {(i, j): totals[f"{i},{j}"] for i, j in kinds}
        total = np.sum(list(by_cell.values()), axis=0)
        same = np.sum([value * (i == j) for (i, j), value in by_cell.items()], axis=0)
        found = {"exact": ratio(same, total), "kappa": _kappa(by_cell)}
        return found | ({"weighted_kappa": _kappa(by_cell, numbers)} if numbers else {})

    return with_intervals(counts, statistic, clusters, sampling, {"kappa", "weighted_kappa"})


def _kappa(cells: Mapping[tuple[int, int], Array], numbers: Sequence[float] | None = None) -> Array:
    """(resamples,), NaN where it is undefined."""
    observed, expected = disagreements(cells, numbers)
    return 1.0 - ratio(np.asarray(observed), np.asarray(expected))


def _labels(pairs: Sequence[tuple[Hashable, Hashable]]) -> list[Hashable]:
    labels = {label for pair in pairs for label in pair}
    return sorted(labels, key=lambda label: (not _number(label), label if _number(label) else str(label)))  # type: ignore[return-value,arg-type]


def _number(label: object) -> bool:
    return isinstance(label, int | float) and not isinstance(label, bool)
