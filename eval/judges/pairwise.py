"""Two models' answers against each other, as PandaLM judges them: win, tie or lose, in both orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eval.judges.asking import Place
from eval.judges.base import OFFICIAL, SWAPPED, Question
from eval.judges.marking import Case, Marked, Marking, by_kind, instruction, mean_counts
from eval.metrics.intervals import Array, Totals, ratio
from eval.metrics.judged import parse_choice
from eval.scoring import Sampling, Scored, score_table
from mmtune.errors import UserError

_LISTED = 20
_FIRST = {OFFICIAL: "win", SWAPPED: "lose"}
"""What it means for A that the first response is better."""
_SECOND = {OFFICIAL: "lose", SWAPPED: "win"}
_NAMES = {"win": "A", "lose": "B", "tie": "tie", None: None}


class Pairwise(Marking):
    """A wins an item where the judge prefers it in both orders; where the orders disagree it is a tie.

    ``win``, ``tie``, ``lose`` and ``unparsed`` add up to 1; ``net_win`` is win less lose; ``consistency`` is
    the share of items with the same verdict in both orders; ``first_place`` is how often the response that
    stands first wins, among the replies that name a winner: a half without position bias.

    Args:
        case: with the answers of A and those of B under ``against``.
        swap: ask in both orders.

    Source: Wang et al., PandaLM, whose parser takes a reply that it cannot read for a tie.
    """

    name = "pairwise"
    prompt = "pairwise"
    needs = frozenset({"question", "first", "second"})
    knows = frozenset({"truth"})
    max_tokens = 512
    not_shares = frozenset({"net_win"})

    def __init__(self, case: Case, swap: bool = True) -> None:
        if not case.against:
            raise UserError("There is nothing to compare with", "--against", "give the other answer file")
        self.case = case
        self.parts = (OFFICIAL, SWAPPED) if swap else (OFFICIAL,)
        self._items = [item for item in case.answered() if item.id in case.against]

    def questions(self) -> list[Question]:
        found = []
        for item in self._items:
            ours, theirs = self.case.answers[item.id], self.case.against[item.id]
            for part in self.parts:
                first, second = (ours, theirs) if part == OFFICIAL else (theirs, ours)
                facts = {
                    "question": instruction(item),
                    "truth": self.case.task.truth_text(item),
                    "first": first,
                    "second": second,
                }
                found.append(Question(item.id, part, facts, f"{ours}\0{theirs}"))
        return found

    def readable(self, reply: str) -> bool:
        return parse_choice(reply) is not None

    def rule(self, facts: Mapping[str, str]) -> str:
        wanted = set(facts["question"].lower().split())
        first, second = (len(wanted & set(facts[name].lower().split())) for name in ("first", "second"))
        return "Tie" if first == second else "1" if first > second else "2"

    def mark(self, replies: Mapping[Place, str], runs: int, sampling: Sampling) -> Marked:
        scored, rows, flipped = [], [], []
        for item in self._items:
            places = [(item.id, part, run) for run in range(runs) for part in self.parts]
            if not all(place in replies for place in places):
                continue
            said = [{part: replies[item.id, part, run] for part in self.parts} for run in range(runs)]
            each = [_counts(one) for one in said]
            counts = mean_counts(each)
            scored.append(Scored(item, counts))
            verdicts = [_NAMES[_verdict(one)] for one in said]
            rows.append({"id": item.id, "verdict": verdicts[0], "verdicts": verdicts})
            if counts["consistent"] < counts["both"]:
                flipped.append(item.id)
        return Marked(
            [one.item.id for one in scored],
            "net_win",
            score_table(self, scored, sampling),
            by_kind(self, scored, sampling),
            rows,
            {
                "inconsistent": flipped[:_LISTED],
                "inconsistent_items": len(flipped),
                "orders": len(self.parts),
            },
            ["lose", "unparsed"],
        )

    def aggregate(self, totals: Totals) -> dict[str, Array]:
        """Metrics from summed counts."""
        items = totals["items"]
        found = {name: ratio(totals[name], items) for name in ("win", "tie", "lose", "unparsed")}
        found["net_win"] = ratio(totals["win"] - totals["lose"], items)
        found["win_of_decided"] = ratio(totals["win"], totals["win"] + totals["lose"])
        if len(self.parts) > 1:
            found["consistency"] = ratio(totals["consistent"], totals["both"])
            found["first_place"] = ratio(totals["first"], totals["decided"])
        return found

    def behind(self, metric: str) -> Sequence[str]:
        """``consistency`` is over the items whose replies can be read in both orders."""
        return {"consistency": ("both",), "win_of_decided": ("win", "lose")}.get(metric, ())


def _outcome(reply: str, part: str) -> str | None:
    choice = parse_choice(reply)
    return {"first": _FIRST[part], "second": _SECOND[part], "tie": "tie", None: None}[choice]


def _verdict(said: Mapping[str, str]) -> str | None:
    """What one run says of A; None where a reply cannot be read."""
    outcomes = {_outcome(reply, part) for part, reply in said.items()}
    if None in outcomes:
        return None
    return outcomes.pop() if len(outcomes) == 1 else "tie"


def _counts(said: Mapping[str, str]) -> dict[str, float]:
    verdict = _verdict(said)
    outcomes = [_outcome(reply, part) for part, reply in said.items()]
    choices = [parse_choice(reply) for reply in said.values()]
    read = None not in outcomes
    counts: dict[str, Any] = {name: float(verdict == name) for name in ("win", "tie", "lose")}
    return counts | {
        "items": 1.0,
        "unparsed": float(not read),
        "both": float(read),
        "consistent": float(read and len(set(outcomes)) == 1),
        "first": float(sum(choice == "first" for choice in choices)),
        "decided": float(sum(choice in ("first", "second") for choice in choices)),
    }
