"""What of the benchmarks a model has seen in training, as lines for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mmtune.wording import counted


def overlap_lines(results: Mapping[str, Any]) -> Iterator[str]:
    """A line for each task, and for each thing that a reader has to know of the comparison.

    Args:
        results: as ``eval.overlap.add_overlap`` leaves them; without an overlap there are no lines.
    """
    found = results.get("overlap")
    if found is None:
        return
    for note in found["notes"]:
        yield f"overlap: {note}"
    for file in found["records"]:
        if file["unusable"]:
            yield (
                f"overlap: {file['unusable']} of {counted(file['rows'], 'row')} of"
                f" {file['path']} could not be compared,"
                f" as: {file['reason']}"
            )
    if found["unread_images"]:
        yield (
            f"overlap: {counted(len(found['unread_images']), 'image')} of the benchmarks could"
            f" not be compared"
        )
    for name, task in results["tasks"].items():
        seen = task.get("overlap")
        if seen is None:
            continue
        line = (
            f"{name}: of {counted(seen['n'], 'item')} training has seen the image of"
            f" {seen['images']}, the question of"
            f" {seen['questions']}, both together of {seen['both']}"
        )
        if seen["images"] or seen["both"]:
            metric = task["primary"]
            line += (
                f"; {metric} {_value(seen['clean'], metric)} over the {seen['clean']['n']} clean ones,"
                f" {_value(task, metric)} over all"
            )
        yield line


def _value(scored: Mapping[str, Any], metric: str) -> str:
    value = scored["metrics"].get(metric, {}).get("value")
    return "undefined" if value is None else f"{value:.3f}"
