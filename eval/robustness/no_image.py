"""No image at all: what the question alone gives away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eval.asking import ask_of
from eval.conversations import without_images
from eval.robustness.base import Case, Kind, Study, Variant
from eval.robustness.paired import difference
from mmtune.errors import UserError


class NoImage(Kind):
    """The same question without an image; beside it stands the blind baseline, where there is one.

    A model may guard itself where it is shown none, so that this figure and that with another item's image
    differ.
    """

    name = "no-image"
    title = "no image at all"

    def __init__(self, setting: str = "", seed: int = 0) -> None:
        super().__init__(setting, seed)
        if setting:
            raise UserError(f"no-image has no setting {setting!r}", "--robust", "write no-image alone")

    def conditions(self) -> Sequence[str]:
        return [self.name]

    def vary(self, case: Case, condition: str) -> Variant | None:
        if not case.ask.image:
            return None
        return Variant(ask_of(case.task, without_images(case.item), (), case.how), case.item)

    def summary(self, study: Study) -> dict[str, Any]:
        """``gain``: what the image adds to the primary metric, positive where it helps.

        Source: multi-modal gain of Chen et al., Are We on the Right Way for Evaluating Large Vision-Language
        Models? (MMStar).
        """
        metric = study.task.primary
        found = difference(study.task, study.altered[self.name], study.clean, study.sampling).get(metric)
        if found is None or found["value"] is None:
            return {}
        if metric in study.task.lower_is_better:
            low, high = found["low"], found["high"]
            found |= {
                "value": -found["value"],
                "low": None if high is None else -high,
                "high": None if low is None else -low,
            }
        return {"metric": metric, "gain": found}
