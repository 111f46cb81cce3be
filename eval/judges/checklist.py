"""Checklists: what an instruction asks for, one yes-or-no question at a time (TICK)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eval.judges.asking import Place
from eval.judges.base import Question
from eval.judges.marking import Case, Marked, Marking, by_kind, instruction, mean_counts
from eval.metrics.instruction_following import followed
from eval.metrics.intervals import Array, Totals, ratio
from eval.metrics.judged import parse_check
from eval.scoring import Sampling, Scored, score_table

Check = str | list[Any]
"""A question for the judge, or [name, argument] of ``instruction_following.CHECKS`` for a program."""
Checklists = Mapping[str, Sequence[Check]]
"""By item."""


class Checklist(Marking):
    """Each requirement is asked about alone; those that a program can check are not asked.

    ``pass_rate`` is the mean over items of the share of requirements met, ``drfr`` the share of all
    requirements, ``all_passed`` the share of items that meet every one. A reply that says neither yes nor no
    is a requirement not met, and ``unparsed``.

    Args:
        case: the answers.
        checklists: of the items; an item without one has no verdict.

    Source: Cook et al., TICKing All the Boxes; DRFR is that of Qin et al., InFoBench.
    """

    name = "checklist"
    prompt = "checklist"
    needs = frozenset({"question", "answer", "check"})
    knows = frozenset({"truth"})
    max_tokens = 256
    not_shares = frozenset[str]()

    def __init__(self, case: Case, checklists: Checklists) -> None:
        self.case, self.checklists = case, checklists
        self._items = [item for item in case.answered() if checklists.get(item.id)]

    def questions(self) -> list[Question]:
        found = []
        for item in self._items:
            answer = self.case.answers[item.id]
            for number, check in enumerate(self.checklists[item.id]):
                if isinstance(check, str):
                    facts = {
                        "question": instruction(item),
                        "truth": self.case.task.truth_text(item),
                        "answer": answer,
                        "check": check,
                    }
                    found.append(Question(item.id, str(number), facts, answer))
        return found

    def readable(self, reply: str) -> bool:
        return parse_check(reply) is not None

    def rule(self, facts: Mapping[str, str]) -> str:
        said = facts["answer"].lower()
        words = [word.strip("?.,\"'") for word in facts["check"].lower().split()]
        return f"Answer: {'yes' if any(word in said for word in words if len(word) > 4) else 'no'}"

    def mark(self, replies: Mapping[Place, str], runs: int, sampling: Sampling) -> Marked:
        scored, rows = [], []
        for item in self._items:
            checks = self.checklists[item.id]
            each = [self._met(item.id, checks, replies, run) for run in range(runs)]
            if any(met is None for met in each):
                continue
            scored.append(Scored(item, mean_counts([_counts(met) for met in each if met is not None])))
            for number, check in enumerate(checks):
                said = [_word(met[number]) for met in each if met is not None]
                row = {"id": f"{item.id}/{number}", "verdict": said[0], "verdicts": said, "check": check}
                rows.append(row | {"by": "judge" if isinstance(check, str) else "program"})
        return Marked(
            [one.item.id for one in scored],
            "pass_rate",
            score_table(self, scored, sampling),
            by_kind(self, scored, sampling),
            rows,
            {
                "checks": sum(len(self.checklists[one.item.id]) for one in scored),
                "checks_by_program": sum(row["by"] == "program" for row in rows),
                "per_item": {one.item.id: one.counts["share"] for one in scored},
            },
            ["unparsed"],
        )

    def aggregate(self, totals: Totals) -> dict[str, Array]:
        """Metrics from summed counts."""
        return {
            "pass_rate": ratio(totals["share"], totals["items"]),
            "drfr": ratio(totals["met"], totals["checks"]),
            "all_passed": ratio(totals["all"], totals["items"]),
            "unparsed": ratio(totals["unparsed"], totals["checks"]),
        }

    def behind(self, metric: str) -> Sequence[str]:
        """All items are behind every metric."""
        del metric
        return ()

    def _met(
        self, item: str, checks: Sequence[Check], replies: Mapping[Place, str], run: int
    ) -> list[bool | None] | None:
        """Whether each requirement is met, None where a reply cannot be read; None in all where one lacks."""
        met: list[bool | None] = []
        for number, check in enumerate(checks):
            if not isinstance(check, str):
                met.append(followed(self.case.answers[item], check[0], check[1]))
                continue
            reply = replies.get((item, str(number), run))
            if reply is None:
                return None
            met.append(parse_check(reply))
        return met


def _counts(met: Sequence[bool | None]) -> dict[str, float]:
    passed = sum(one is True for one in met)
    return {
        "met": float(passed),
        "checks": float(len(met)),
        "share": passed / len(met),
        "all": float(passed == len(met)),
        "unparsed": float(sum(one is None for one in met)),
        "items": 1.0,
    }


def _word(met: bool | None) -> str | None:
    return None if met is None else "yes" if met else "no"
