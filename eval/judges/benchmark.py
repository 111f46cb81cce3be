"""Marks a benchmark's answers by its rubric: several runs, both orders, the task's own metrics."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from eval.judges import RUBRICS
from eval.judges.asking import Place
from eval.judges.base import OFFICIAL, SWAPPED, Beside, Question
from eval.judges.marking import Case, Marked, Marking, by_kind, mean_counts
from eval.metrics.intervals import ratio
from eval.metrics.judged import UNREAD, parse_pair
from eval.scoring import Sampling, Scored, cluster, score_answers, score_table, whole_table, with_intervals
from eval.tasks import Item
from eval.tasks.judged import JudgedTask
from mmtune.errors import UserError

_LISTED = 20
Texts = Mapping[str, str]
"""Item → judgement, of one run."""


class Benchmark(Marking):
    """The rubric of a task that has one.

    Args:
        case: of such a task.
        beside: further files of the benchmark.
        swap: also ask about two answers in the other order.

    Raises:
        UserError: if the task has no rubric, or a file is missing.
    """

    name = "benchmark"

    def __init__(self, case: Case, beside: Beside, swap: bool = True) -> None:
        task = case.task
        if not isinstance(task, JudgedTask):
            raise UserError(
                f"{task.config.task} needs no judge: its score comes from the answers",
                fix=f"use `mmtune score`, or --mode checklist or pairwise; judged are {', '.join(RUBRICS)}",
            )
        if case.missing_is_wrong:  # where nothing counts as wrong, that is said before a judge is paid
            for item in case.items:
                if item.id not in case.answers:
                    task.unanswered(item)
        self.case, self.task = case, task
        self.rubric = RUBRICS.find(task.config.task)(task, case.answered(), beside)
        self.parts = (OFFICIAL, SWAPPED) if self.rubric.swaps and swap else (OFFICIAL,)
        self.prompt, self.needs, self.knows = task.config.task, self.rubric.needs, self.rubric.knows
        self.unread_as = self.rubric.unread_as
        self.max_tokens, self.attempts = self.rubric.max_tokens, self.rubric.attempts

    def questions(self) -> list[Question]:
        found = []
        for item in self.case.answered():
            answer = self.case.answers[item.id]
            facts = self.rubric.facts(item, answer)
            for part in self.parts:
                shown = facts if part == OFFICIAL else self.rubric.swapped(facts)
                found.append(Question(item.id, part, shown, answer))
        return found

    def readable(self, reply: str) -> bool:
        return self.rubric.readable(reply)

    def rule(self, facts: Mapping[str, str]) -> str:
        return self.rubric.rule(facts)

    def mark(self, replies: Mapping[Place, str], runs: int, sampling: Sampling) -> Marked:
        texts = self._texts(replies, OFFICIAL, runs)
        chosen = self._chosen(texts)
        each = [score_answers(self.task, chosen, run, self.case.missing_is_wrong) for run in texts]
        scored = _averaged(each)
        more: dict[str, Any] = {"runs": self._runs(each, texts, sampling)}
        if SWAPPED in self.parts:
            more["orders"] = self._orders(replies, runs, sampling)
        return Marked(
            [one.item.id for one in scored],
            self.task.primary,
            score_table(self.task, scored, sampling) | self._whole(each, texts),
            by_kind(self.task, scored, sampling),
            [self._verdict_row(one, texts) for one in scored if one.item.id in texts[0]],
            more,
            sorted(self.task.lower_is_better),
        )

    def _texts(self, replies: Mapping[Place, str], part: str, runs: int) -> list[Texts]:
        """Judgements of each run, of the items that have one in every run."""
        ids = [
            item.id
            for item in self.case.answered()
            if all((item.id, part, run) in replies for run in range(runs))
        ]
        return [
            {name: self.rubric.judgement(replies[name, part, run], part) for name in ids}
            for run in range(runs)
        ]

    def _chosen(self, texts: Sequence[Texts]) -> list[Item]:
        """Items that are scored: those with judgements, and without an answer where that counts as wrong."""
        wrong = self.case.missing_is_wrong
        return [
            item
            for item in self.case.items
            if item.id in texts[0] or (wrong and item.id not in self.case.answers)
        ]

    def _whole(self, each: Sequence[Sequence[Scored]], texts: Sequence[Texts]) -> dict[str, Any]:
        """Metrics without an interval, averaged over runs; undefined in one is undefined in all."""
        tables = [
            whole_table(self.task, scored, run) for scored, run in zip(each, texts, strict=True) if scored
        ]
        found: dict[str, Any] = {}
        for name in tables[0] if tables else ():
            values = [table[name]["value"] for table in tables]
            mean = None if None in values else statistics.fmean(values)
            found[name] = tables[0][name] | {"value": mean}
        return found

    def _runs(
        self, each: Sequence[Sequence[Scored]], texts: Sequence[Texts], sampling: Sampling
    ) -> dict[str, Any]:
        """The primary metric of each run, and its spread (over a population, as in MM-Vet's evaluator)."""
        once = Sampling(1, sampling.level, sampling.seed)
        values = [
            score_table(self.task, scored, once)[self.task.primary]["value"] for scored in each if scored
        ]
        told = [value for value in values if value is not None]
        verdicts = [[self.rubric.verdict(run[name]) for run in texts] for name in texts[0]]
        same = [len(set(found)) == 1 for found in verdicts]
        many = len(each) > 1
        return {
            "n": len(each),
            "metric": self.task.primary,
            "values": values,
            "mean": statistics.fmean(told) if told else None,
            "std": statistics.pstdev(told) if many and told else None,
            "same_verdict": sum(same) / len(same) if many and same else None,
        }

    def _orders(self, replies: Mapping[Place, str], runs: int, sampling: Sampling) -> dict[str, Any]:
        """The metric in either order and over both, and how often the verdict outlives the swap."""
        official, swapped = (self._texts(replies, part, runs) for part in (OFFICIAL, SWAPPED))
        items = [item for item in self.case.answered() if item.id in official[0] and item.id in swapped[0]]
        if not items:
            return {"n": 0, "of": len(self.case.items)}
        scored = [[score_answers(self.task, items, run) for run in texts] for texts in (official, swapped)]
        primary = self.task.primary
        figures = {
            name: score_table(self.task, _averaged(each), sampling)[primary]
            for name, each in (
                ("official", scored[0]),
                ("swapped", scored[1]),
                ("both", [*scored[0], *scored[1]]),
            )
        }
        counts = [self._pair_counts(item, official, swapped) for item in items]
        found = with_intervals(
            {name: [one[name] for one in counts] for name in counts[0]},
            lambda totals: {
                "consistency": ratio(totals["same"], totals["read"]),
                "first_place_advantage": ratio(totals["advantage"], 2 * totals["read"]),
            },
            [cluster(item) for item in items],
            sampling,
            {"first_place_advantage"},
            lambda metric: ("any",),
        )
        flipped = [item.id for item, one in zip(items, counts, strict=True) if one["same"] < one["read"]]
        return {
            "n": len(items),
            "of": len(self.case.items),
            "metric": primary,
            **figures,
            **found,
            "inconsistent": flipped[:_LISTED],
            "inconsistent_items": len(flipped),
        }

    def _pair_counts(
        self, item: Item, official: Sequence[Texts], swapped: Sequence[Texts]
    ) -> dict[str, float]:
        counts = {"same": 0.0, "read": 0.0, "advantage": 0.0, "any": 0.0}
        for one, other in zip(official, swapped, strict=True):
            # Both judgements have the reference's score first, whichever answer the judge saw first.
            before, after = parse_pair(one[item.id]), parse_pair(other[item.id])
            if UNREAD in (before, after):
                continue
            verdicts = {self.rubric.verdict(one[item.id]), self.rubric.verdict(other[item.id])}
            counts["read"] += 1
            counts["any"] = 1.0
            counts["same"] += len(verdicts) == 1
            counts["advantage"] += before[0] - before[1] + after[1] - after[0]
        return counts

    def _verdict_row(self, one: Scored, texts: Sequence[Texts]) -> dict[str, Any]:
        judgements = [run[one.item.id] for run in texts]
        verdicts = [self.rubric.verdict(text) for text in judgements]
        # What depends on other answers stands apart, as in a run's predictions: over other
        # items than these it must not be summed up.
        own = mean_counts([self.task.score_submitted(text, one.item) for text in judgements])
        joint = {name: number for name, number in one.counts.items() if name not in own}
        row = {"id": one.item.id, "verdict": verdicts[0], "verdicts": verdicts, "counts": own}
        row |= {"joint": joint} if any(joint.values()) else {}
        return row | dict(self.rubric.row(one.item, judgements))


def _averaged(each: Sequence[Sequence[Scored]]) -> list[Scored]:
    return [
        Scored(runs[0].item, mean_counts([one.counts for one in runs])) for runs in zip(*each, strict=True)
    ]
