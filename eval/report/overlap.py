"""What training has seen of the benchmarks, ready for the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eval.report.numbers import interval, label, number, title
from mmtune.wording import counted


@dataclass(frozen=True)
class OverlapRow:
    """A benchmark as a row of the table: counts of items, and the primary metric with its interval over all,
    over those whose image is new, and over those whose image and question are not together in training."""

    name: str
    n: int
    images: int
    questions: int
    both: int
    metric: str
    scores: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True)
class OverlapView:
    """The section."""

    rows: tuple[OverlapRow, ...]
    files: tuple[str, ...]
    notes: tuple[str, ...]


def view_overlap(results: Mapping[str, Any]) -> OverlapView | None:
    """The section of the page; None where no training records were compared."""
    found = results.get("overlap")
    if found is None:
        return None
    notes = list(found["notes"])
    notes += [
        f"{file['unusable']} of {counted(file['rows'], 'row')} of {file['path']} could not be compared, as:"
        f" {file['reason']}"
        for file in found["records"]
        if file["unusable"]
    ]
    if found["unread_images"]:
        notes.append(
            f"{counted(len(found['unread_images']), 'image')} of the benchmarks could not be compared"
        )
    files = tuple(
        f"{file['path']} ({counted(file['rows'], 'row', thousands=True)})" for file in found["records"]
    )
    rows = tuple(_row(name, task) for name, task in results["tasks"].items() if task.get("overlap"))
    return OverlapView(rows, files, tuple(notes))


def _row(name: str, task: Mapping[str, Any]) -> OverlapRow:
    seen, metric = task["overlap"], task["primary"]
    scores = []
    for part in (task, seen["clean"], seen["unpaired"]):
        value = part["metrics"].get(metric)
        told = ("–", "–") if value is None else (number(value["value"]), interval(value))
        scores.append((*told, part["n"]))
    counts = (seen["n"], seen["images"], seen["questions"], seen["both"])
    return OverlapRow(title(name), *counts, label(metric), tuple(scores))
