"""Corruptions in five severities: what they share, and the curve of the metric over them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from eval.metrics.intervals import Array, ratio
from eval.robustness.base import Case, Kind, Study, Variant, altered
from eval.robustness.paired import common, estimates
from eval.robustness.undefined import undefined
from mmtune.errors import UserError


class Corruption(Kind):
    """A corruption; the setting names severities, as ``blur:1+3``, by default all. Severity 0 is the image
    as it is."""

    strengths: ClassVar[Sequence[float]]
    """What severities 1, 2 … stand for."""

    def __init__(self, setting: str = "", seed: int = 0) -> None:
        super().__init__(setting, seed)
        known = [str(severity) for severity in range(len(self.strengths) + 1)]
        wanted = setting.split("+") if setting else known[1:]
        for severity in wanted:
            if severity not in known:
                raise UserError(
                    f"{self.name} has no severity {severity!r}",
                    "--robust",
                    f"name some of {', '.join(known)}, as {self.name}:1+3",
                )
        self.severities = sorted({int(severity) for severity in wanted})

    def conditions(self) -> Sequence[str]:
        return [f"{self.name}:{severity}" for severity in self.severities]

    def vary(self, case: Case, condition: str) -> Variant | None:
        severity = severity_of(condition)
        description = self.describe(self.strengths[severity - 1], case) if severity else ""
        return altered(case, description)

    @abstractmethod
    def describe(self, strength: float, case: Case) -> str:
        """The alteration of an item's image, as ``alterations.alter`` takes it."""

    def summary(self, study: Study) -> dict[str, Any]:
        """The curve over the items that were answered at every severity, and how much is lost on average.

        ``mean_drop`` is the mean over severities of what the primary metric loses, positive for worse;
        ``relative_drop`` the same as a share of the clean value; ``area`` the mean height of the curve from
        severity 0 to the last, by trapezoids. Where the metric is undefined at a severity they are undefined
        too, and ``undefined`` says why.

        Source: the mean over severities is that of Hendrycks and Dietterich, Benchmarking Neural Network
        Robustness to Common Corruptions and Perturbations.
        """
        metric = study.task.primary
        places = {condition: severity_of(condition) for condition in study.altered}
        tables = {"clean": study.clean, **{c: study.altered[c] for c in places if places[c]}}
        ids = common(tables.values())
        worse = 1.0 if metric in study.task.lower_is_better else -1.0
        heights = [0, *(places[condition] for condition in tables if condition != "clean")]
        if len(heights) < 2:
            return {}

        def told(metrics: Mapping[str, Mapping[str, Array]]) -> dict[str, Array]:
            curve = [metrics[table][metric] for table in tables]
            drop = np.mean([worse * (one - curve[0]) for one in curve[1:]], axis=0)
            wide = heights[-1] - heights[0]
            steps = [
                (b - a) * (low + high) / 2
                for a, b, low, high in zip(heights, heights[1:], curve, curve[1:], strict=False)
            ]
            named = {f"at {severity}": value for severity, value in zip(heights, curve, strict=True)}
            return named | {
                "mean_drop": drop,
                "relative_drop": ratio(drop, curve[0]),
                "area": np.sum(steps, axis=0) / wide,
            }

        found = estimates(study.task, tables, ids, told, study.sampling)
        if not found:
            return {}
        return {
            "metric": metric,
            "curve": [{"severity": height, **found.pop(f"at {height}")} for height in heights],
            "strengths": {str(n): strength for n, strength in enumerate(self.strengths, start=1)},
            "undefined": undefined(study.task, tables, ids),
            **found,
        }


def severity_of(condition: str) -> int:
    """Of a condition ``NAME:SEVERITY``."""
    return int(condition.rpartition(":")[2])
