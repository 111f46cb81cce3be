"""Other words for the same question: how far a score is one of the wording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from eval.asking import ask_of
from eval.metrics.intervals import Array
from eval.reliability.reading import told
from eval.robustness.base import Case, Kind, Study, Variant
from eval.robustness.paired import Metrics, common, estimates, shares
from eval.robustness.phrasings import Phrasings, read_phrasings
from eval.robustness.undefined import undefined
from eval.scoring import cluster


class Paraphrase(Kind):
    """The frame of the question in other words (``frame-1`` …), and the question itself reworded by rules
    that keep its meaning (``reword-1`` …); ``paraphrase:FILE`` takes another file of phrasings.

    A rewording leaves out the items that no rule fits, and its figures say over how many they are.

    Source: mean and spread over phrasings as in Sun et al., Evaluating the Zero-shot Robustness of
    Instruction-tuned Language Models.
    """

    name = "paraphrase"
    title = "the question in other words"
    applies_to = "items whose question a phrasing fits"

    def __init__(self, setting: str = "", seed: int = 0) -> None:
        super().__init__(setting, seed)
        self.phrasings: Phrasings = read_phrasings(setting or None)

    def conditions(self) -> Sequence[str]:
        frames, rewordings = self.phrasings.most_frames, self.phrasings.most_rewordings
        return [
            *(f"{self.name}:frame-{number}" for number in range(1, frames + 1)),
            *(f"{self.name}:reword-{number}" for number in range(1, rewordings + 1)),
        ]

    def vary(self, case: Case, condition: str) -> Variant | None:
        sort, _, number = condition.rpartition(":")[2].rpartition("-")
        if sort == "frame":
            text = self.phrasings.framed(case.ask.text, int(number) - 1)
            ask = None if text is None else replace(case.ask, text=text)
        else:
            question = self.phrasings.reworded(case.item.question, int(number) - 1)
            if question is None:
                return None
            ask = ask_of(case.task, replace(case.item, question=question), case.shown, case.how)
        if ask is None or ask == case.ask:
            return None
        return Variant(ask, case.item)

    def summary(self, study: Study) -> dict[str, Any]:
        """Over the phrasings that all items have, the protocol's own included, and the items answered in all
        of them: mean, worst and best, ``spread`` (best less worst) and ``deviation`` (standard deviation) of
        the primary metric; ``changed``: the share of items whose answer is not the same in all of them.

        A phrasing under which the metric is undefined, as F1 where no answer says yes, stands in
        ``undefined`` with the reason, and the figures of the metric are over the others.
        """
        everybody = [c for c, o in study.altered.items() if len(o.notes) == len(study.clean.notes)]
        if not everybody:
            return {}
        tables = {"protocol": study.clean, **{c: study.altered[c] for c in everybody}}
        ids, metric = common(tables.values()), study.task.primary
        worst, best = (np.max, np.min) if metric in study.task.lower_is_better else (np.min, np.max)

        lost = undefined(study.task, tables, ids)
        having = {name: table for name, table in tables.items() if name not in lost}

        def spread(metrics: Metrics) -> Mapping[str, Array]:
            each = np.stack([metrics[table][metric] for table in having])
            return {
                "mean": each.mean(axis=0),
                "worst": worst(each, axis=0),
                "best": best(each, axis=0),
                "spread": np.ptp(each, axis=0),
                "deviation": each.std(axis=0),
            }

        found: dict[str, Any] = {"metric": metric, "phrasings": list(having), "items": len(ids)}
        found["undefined"] = lost
        found |= estimates(study.task, having, ids, spread, study.sampling)
        if ids:
            said = [
                {told(study.task, t.scored[key].item, t.answers[key].text) for t in tables.values()}
                for key in ids
            ]
            counts = {"changed": [float(len(each) > 1) for each in said], "items": [1.0] * len(ids)}
            images = [cluster(study.clean.scored[key].item) for key in ids]
            found |= shares(counts, "items", images, study.sampling)
        return found
