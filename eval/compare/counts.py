"""The counts of one task's common items, of all runs that are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eval.compare.matching import Matched
from eval.metrics.intervals import Array, Totals
from eval.tasks import Task
from mmtune.errors import UserError


@dataclass(frozen=True)
class TaskCounts:
    """Counts of the common items of one task."""

    task: Task
    runs: tuple[Mapping[str, Array], ...]
    """Of each run, name → (items,)."""
    seeds: tuple[int, ...]
    """How many of the runs belong to each model, in order."""
    clusters: tuple[str, ...]

    @classmethod
    def gather(cls, task: Task, matched: Matched, seeds: Sequence[int]) -> TaskCounts:
        """From the matched answers.

        Raises:
            UserError: if all answers of a run have a count that none of another has.
        """
        _check_alike(task, matched)
        rows = [
            [_counts(answers[key].counts, answers[key].joint if matched.joint else {}) for key in matched.ids]
            for answers in matched.answers
        ]
        names = dict.fromkeys(name for run in rows for counts in run for name in counts)
        runs = tuple(
            {name: np.array([counts.get(name, 0.0) for counts in run]) for name in names} for run in rows
        )
        return cls(task, runs, tuple(seeds), tuple(matched.clusters))

    def of(self, model: int) -> tuple[Mapping[str, Array], ...]:
        """The runs of a model."""
        start = sum(self.seeds[:model])
        return self.runs[start : start + self.seeds[model]]

    def aggregate(self, totals: Totals) -> Mapping[str, Array]:
        """The task's metrics from sums.

        Raises:
            UserError: if the run's counts are not those that the task sums up.
        """
        try:
            return self.task.aggregate(totals) if totals else {}
        except KeyError as error:
            raise UserError(
                f"The counts of {self.task.name} lack {error}, which this version of mmtune sums up",
                fix="run mmtune eval again in the runs' folders; what is known is not asked again",
            ) from error


def _check_alike(task: Task, matched: Matched) -> None:
    """Refuse runs of which one was scored by a version that counted something else: what an answer lacks
    counts as 0, and so the missing counts of all answers would be a score of 0."""
    each = [[set(answers[key].counts or ()) for key in matched.ids] for answers in matched.answers]
    everywhere = set().union(*(set.intersection(*of_run) for of_run in each if of_run))
    for of_run in each:
        for name in sorted(everywhere - set().union(*of_run)):
            raise UserError(
                f"The answers of {task.name} have a count {name!r} in one run and none in another, as where"
                " another version of mmtune or other files marked them",
                fix="run mmtune eval again in the runs' folders; what is known is not asked again",
            )


def _counts(own: Mapping[str, float] | None, joint: Mapping[str, float]) -> dict[str, float]:
    return {**(own or {}), **joint}
