"""MMBench: a question counts only where it is answered rightly under every rotation of its options."""

from __future__ import annotations

import math
import string
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from eval.metrics.choice import infer_choice

ROTATION = 1_000_000
"""Rotated copies of question i have the indices i + k * ROTATION."""

ABBREVIATIONS = {
    "coarse_perception": "CP",
    "finegrained_perception (instance-level)": "FP-S",
    "finegrained_perception (cross-instance)": "FP-C",
    "logic_reasoning": "LR",
    "relation_reasoning": "RR",
    "attribute_reasoning": "AR",
}
"""How the leaderboard writes the abilities of the second level."""

Row = Mapping[str, Any]
"""index, answer, prediction, and the options under their letters, as in the benchmark's table."""


def options(row: Row) -> dict[str, Any]:
    """The options that a row offers, by letter: empty cells are none."""
    return {c: row[c] for c in string.ascii_uppercase if c in row and not _empty(row[c])}


def circular_hits(rows: Iterable[Row]) -> dict[int, int]:
    """Whether each question was answered rightly under all its rotations, by the index of the unrotated one.

    A reply from which no option can be inferred is wrong (``exact_matching``); VLMEvalKit asks a language
    model instead where it has one. Rotations of a question that itself is missing do not count.

    Source: mcq_circular_eval of open-compass/VLMEvalKit.
    """
    groups: dict[int, list[Row]] = {}
    for row in rows:
        groups.setdefault(int(row["index"]) % ROTATION, []).append(row)
    return {
        index: int(all(infer_choice(str(row["prediction"]), options(row)) == row["answer"] for row in group))
        for index, group in groups.items()
        if any(int(row["index"]) == index for row in group)
    }


def vanilla_hits(rows: Iterable[Row]) -> dict[int, int]:
    """Whether each unrotated question was answered rightly, its rotations aside.

    Source: eval_vanilla of open-compass/VLMEvalKit.
    """
    return {
        int(row["index"]): int(infer_choice(str(row["prediction"]).strip(), options(row)) == row["answer"])
        for row in rows
        if int(row["index"]) < ROTATION
    }


def accuracy_table(rows: Iterable[Row], hits: Mapping[int, int]) -> dict[str, dict[str, float]]:
    """Share of hits by split: over all, by ability of the second level and by category.

    Source: report_acc of open-compass/VLMEvalKit.
    """
    found: dict[str, dict[str, list[int]]] = {}
    for row in rows:
        if int(row["index"]) in hits:
            table = found.setdefault(str(row.get("split") or "none"), {})
            for name in ("Overall", row.get("l2-category"), row.get("category")):
                if not _empty(name):
                    key = ABBREVIATIONS.get(str(name), str(name))
                    table.setdefault(key, []).append(hits[int(row["index"])])
    return {
        split: {name: sum(values) / len(values) for name, values in table.items()}
        for split, table in found.items()
    }


def _empty(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


__all__: Sequence[str] = (
    "ABBREVIATIONS",
    "ROTATION",
    "accuracy_table",
    "circular_hits",
    "options",
    "vanilla_hits",
)
