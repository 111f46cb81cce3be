"""Abstention: does the model decline where there is no answer, and only there?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eval.backends.base import Answer
from eval.metrics.abstention import declines, is_unanswerable
from eval.metrics.intervals import Array, Totals, ratio
from eval.reliability.reading import given
from eval.scoring import Sampling, Scored, cluster, with_intervals
from eval.tasks import Item, Task


def unanswerable(item: Item) -> bool | None:
    """Whether a question is marked as one without an answer; None where nothing is known of it.

    By a flag ``answerable`` in the truth, as VizWiz has it; else where the truth itself, or what most
    annotators gave, is a word such as "unanswerable".
    """
    truth = item.truth
    if truth is None:
        return None
    if isinstance(truth, Mapping) and truth.get("answerable") is not None:
        return str(truth["answerable"]) == "0"
    answer = given(truth)
    return is_unanswerable(answer) if isinstance(answer, str) else None


def abstention(
    task: Task, scored: Sequence[Scored], answers: Mapping[str, Answer], sampling: Sampling
) -> dict[str, Any] | None:
    """Precision, recall and F1 of declining; None for a benchmark without an unanswerable question.

    Args:
        task: the benchmark.
        scored: its scored answers.
        answers: by item id.
        sampling: how intervals are drawn.

    Returns:
        n, ``unanswerable`` and ``declined`` in numbers, and precision, recall, F1 and ``declined_wrongly``
        (the share declined of the questions that have an answer).
    """
    del task
    marked = [(one, lost) for one in scored if (lost := unanswerable(one.item)) is not None]
    if not any(lost for _, lost in marked):
        return None
    declined = [declines(answers[one.item.id].text) for one, _ in marked]
    counts = {
        "items": [1.0] * len(marked),
        "lost": [float(lost) for _, lost in marked],
        "declined": [float(said) for said in declined],
        "both": [float(said and lost) for said, (_, lost) in zip(declined, marked, strict=True)],
    }

    def told(totals: Totals) -> dict[str, Array]:
        both, said, lost = totals["both"], totals["declined"], totals["lost"]
        return {
            "precision": ratio(both, said),
            "recall": ratio(both, lost),
            "f1": ratio(2 * both, _where_both(said, lost)),
            "declined_wrongly": ratio(said - both, totals["items"] - lost),
        }

    behind = {"precision": ("declined",), "recall": ("lost",)}
    found = with_intervals(
        counts,
        told,
        [cluster(one.item) for one, _ in marked],
        sampling,
        (),
        lambda metric: behind.get(metric, ("items",)),
    )
    return {
        "n": len(marked),
        "unanswerable": int(sum(counts["lost"])),
        "declined": int(sum(counts["declined"])),
        **found,
    }


def _where_both(said: Array, lost: Array) -> Array:
    """Their sum, 0 where one of them is 0 and F1 so undefined."""
    total: Array = (said + lost) * ((said > 0) & (lost > 0))
    return total
