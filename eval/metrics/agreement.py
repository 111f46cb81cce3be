"""How far two judges, or a judge and people, agree: exactly, and beyond chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from eval.metrics.intervals import Array, ratio

Cells = Mapping[tuple[int, int], Array]
"""How often the first judge gave label i where the second gave j; each (resamples,)."""


def exact_agreement(first: Sequence[Hashable], second: Sequence[Hashable]) -> float | None:
    """Share of the items that get the same label; None without items.

    Raises:
        ValueError: if the lists differ in length.
    """
    same = [a == b for a, b in zip(first, second, strict=True)]
    return sum(same) / len(same) if same else None


def cohens_kappa(
    first: Sequence[Hashable], second: Sequence[Hashable], quadratic: bool = False
) -> float | None:
    """Agreement beyond what two judges with these shares of labels have by chance: 1 is perfect, 0 is chance.

    Args:
        first: labels of one judge.
        second: of the other, for the same items.
        quadratic: labels are numbers, and a disagreement weighs as the square of their distance.

    Returns:
        None where it is undefined: without items, or where both give one and the same label throughout.

    Raises:
        ValueError: if the lists differ in length.

    Source: Cohen, A coefficient of agreement for nominal scales; with weights, Cohen, Weighted kappa.
    """
    labels = list(dict.fromkeys([*first, *second]))
    place = {label: number for number, label in enumerate(labels)}
    counted = Counter((place[a], place[b]) for a, b in zip(first, second, strict=True))
    cells = {pair: np.array([float(number)]) for pair, number in counted.items()}
    value = float(kappa(cells, labels if quadratic else None)[0]) if cells else float("nan")  # type: ignore[arg-type]
    return None if np.isnan(value) else value


def kappa(cells: Cells, values: Sequence[float] | None = None) -> Array:
    """Cohen's kappa from counted pairs of labels, NaN where it is undefined.

    Args:
        cells: counts of pairs; pairs that are not in it have none.
        values: the labels' numbers, for quadratic weights; None weighs every disagreement alike.

    Returns:
        (resamples,).
    """
    total = sum(cells.values(), np.zeros(1))
    rows: dict[int, Array] = {}
    columns: dict[int, Array] = {}
    for (i, j), number in cells.items():
        rows[i] = rows.get(i, np.zeros(1)) + number
        columns[j] = columns.get(j, np.zeros(1)) + number

    def weight(i: int, j: int) -> float:
        return float(i != j) if values is None else float(values[i] - values[j]) ** 2

    seen = sum((weight(i, j) * number for (i, j), number in cells.items()), np.zeros(1))
    chance = sum((weight(i, j) * rows[i] * columns[j] for i in rows for j in columns), np.zeros(1))
    share: Array = 1.0 - ratio(np.asarray(seen * total), np.asarray(chance))
    return share
