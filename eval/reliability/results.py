"""What ``metrics.json`` says of a task's answers beside its score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eval.backends.base import Answer
from eval.reliability.abstention import abstention
from eval.reliability.confidence import confidence
from eval.reliability.yes_bias import yes_bias
from eval.scoring import Sampling, Scored
from eval.tasks import Task


def reliability(
    task: Task, scored: Sequence[Scored], answers: Mapping[str, Answer], sampling: Sampling
) -> dict[str, Any]:
    """``confidence``, ``yes_bias`` and ``abstention`` of a task, each where it has a meaning, else None.

    Args:
        task: the benchmark.
        scored: its scored answers.
        answers: by item id.
        sampling: how intervals are drawn.
    """
    if task.needs_judge or not task.asks_questions:
        return {"confidence": None, "yes_bias": None, "abstention": None}
    return {
        "confidence": confidence(task, scored, answers, sampling),
        "yes_bias": yes_bias(task, scored, answers, sampling),
        "abstention": abstention(task, scored, answers, sampling),
    }
