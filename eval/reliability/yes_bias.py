"""Yes-bias: does the model say yes oftener than it is true?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eval.backends.base import Answer
from eval.metrics.intervals import Array, Totals, ratio
from eval.reliability.reading import said_yes, true_yes
from eval.scoring import Sampling, Scored, cluster, with_intervals
from eval.tasks import Task


def yes_bias(
    task: Task, scored: Sequence[Scored], answers: Mapping[str, Answer], sampling: Sampling
) -> dict[str, Any] | None:
    """Shares of yes among answers and truths, over the items whose truth is yes or no; None without any.

    A reply that is neither counts as not yes, and in ``neither``.

    Args:
        task: the benchmark.
        scored: its scored answers.
        answers: by item id.
        sampling: how intervals are drawn.

    Returns:
        ``n``; ``yes_ratio`` of the answers, ``true_yes_ratio``, their ``difference``; ``yes_where_no`` and
        ``no_where_yes``, the shares of wrong answers on either side; ``neither``. Where the model chose
        between yes and no, ``logit_gap``: the mean logit of yes less that of no, over all items
        (``mean``), and over those of either truth; ``bias`` is half-way between these two, 0 for a model that
        leans to neither side.
    """
    asked = [(one, true) for one in scored if (true := true_yes(one.item)) is not None]
    if not asked:
        return None
    counts: dict[str, list[float]] = {
        name: [] for name in ("items", "said", "true", "neither", "said_where_no", "no", "denied_where_yes")
    }
    for one, true in asked:
        said = said_yes(task, answers[one.item.id].text)
        row = {
            "items": 1,
            "said": said is True,
            "true": true,
            "neither": said is None,
            "said_where_no": said is True and not true,
            "no": not true,
            "denied_where_yes": said is not True and true,
        }
        for name, count in row.items():
            counts[name].append(float(count))
    images = [cluster(one.item) for one, _ in asked]

    def told(totals: Totals) -> dict[str, Array]:
        return {
            "yes_ratio": ratio(totals["said"], totals["items"]),
            "true_yes_ratio": ratio(totals["true"], totals["items"]),
            "difference": ratio(totals["said"] - totals["true"], totals["items"]),
            "yes_where_no": ratio(totals["said_where_no"], totals["no"]),
            "no_where_yes": ratio(totals["denied_where_yes"], totals["true"]),
            "neither": ratio(totals["neither"], totals["items"]),
        }

    named = {"yes_where_no": ("no",), "no_where_yes": ("true",)}
    found = with_intervals(
        counts,
        told,
        images,
        sampling,
        ("difference",),
        lambda metric: named.get(metric, ("items",)),
    )
    return {
        "n": len(asked),
        **found,
        "logit_gap": _logit_gap(asked, answers, sampling),
    }


def _logit_gap(
    asked: Sequence[tuple[Scored, bool]], answers: Mapping[str, Answer], sampling: Sampling
) -> dict[str, Any] | None:
    """Differences of log-probabilities are those of logits; options are yes and no, in this order."""
    gaps = []
    for one, true in asked:
        scores = answers[one.item.id].logprobs
        if scores is not None and len(scores) == 2:
            gaps.append((one, true, scores[0] - scores[1]))
    if not gaps:
        return None
    counts = {
        "items": [1.0] * len(gaps),
        "gap": [gap for _, _, gap in gaps],
        "yes": [float(true) for _, true, _ in gaps],
        "no": [float(not true) for _, true, _ in gaps],
        "gap_yes": [gap * true for _, true, gap in gaps],
        "gap_no": [gap * (not true) for _, true, gap in gaps],
    }

    def told(totals: Totals) -> dict[str, Array]:
        where_yes, where_no = ratio(totals["gap_yes"], totals["yes"]), ratio(totals["gap_no"], totals["no"])
        return {
            "mean": ratio(totals["gap"], totals["items"]),
            "where_yes": where_yes,
            "where_no": where_no,
            "bias": (where_yes + where_no) / 2,
        }

    return with_intervals(
        counts,
        told,
        [cluster(one.item) for one, _, _ in gaps],
        sampling,
        ("mean", "where_yes", "where_no", "bias"),
        lambda metric: {"where_yes": ("yes",), "where_no": ("no",)}.get(metric, ("items",)),
    )
