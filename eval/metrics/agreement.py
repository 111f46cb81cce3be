"""How far two judges, or a judge and people, agree: exactly, and beyond chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

Number = Any
"""A float, or an array of them."""


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
    cells = {pair: float(number) for pair, number in counted.items()}
    observed, expected = disagreements(cells, labels if quadratic else None)  # type: ignore[arg-type]
    return 1 - observed / expected if expected else None


def disagreements(
    cells: Mapping[tuple[int, int], Number], values: Sequence[float] | None = None
) -> tuple[Number, Number]:
    """Weighted disagreement, and what chance would give; kappa is 1 less the first over the second.

    Args:
        cells: how often the first judge gave label i where the second gave j, as floats or as arrays of them;
            pairs that are not in it do not occur.
        values: the labels' numbers, for quadratic weights; None weighs every disagreement alike.

    Returns:
        Both times the number of items squared; the second is 0 where kappa is undefined.
    """
    rows: dict[int, Number] = {}
    columns: dict[int, Number] = {}
    for (i, j), number in cells.items():
        rows[i] = rows[i] + number if i in rows else number
        columns[j] = columns[j] + number if j in columns else number

    def weight(i: int, j: int) -> float:
        return float(i != j) if values is None else float(values[i] - values[j]) ** 2

    # Sums that begin with 0 keep the type of what is added to them.
    observed = sum(weight(i, j) * number for (i, j), number in cells.items()) * sum(cells.values())
    expected = sum(weight(i, j) * rows[i] * columns[j] for i in rows for j in columns)
    return observed, expected
