"""HallusionBench: accuracy by question, by figure and by pair, from a judge's verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WRONG, RIGHT, UNCLEAR = 0, 1, 2
UNREAD = "unread"
"""A judgement in which no verdict could be read: unclear by the official rule."""


@dataclass(frozen=True)
class Verdict:
    """A question with what the judge said of its answer."""

    category: str
    """``VD`` (the figure is needed) or ``VS`` (it only supplements)."""
    subcategory: str
    set_id: str
    figure_id: str
    """``0`` is the original figure, or none for ``VS``."""
    question_id: str
    visual_input: str
    """``0`` none, ``1`` an ordinary figure, ``2`` an edited one."""
    gt_answer: str
    """``0`` no, ``1`` yes."""
    verdict: int
    """0 wrong, 1 right, 2 unclear."""
    same: bool = False
    """Whether the answer agrees with that to the original figure."""

    @property
    def correct(self) -> bool:
        """Right, or unclear where there is no figure and the question is not about one."""
        return self.verdict == RIGHT or (
            self.verdict == UNCLEAR and self.category == "VS" and self.figure_id == "0"
        )

    @property
    def pair(self) -> tuple[str, str, str, str]:
        """The same question over all figures of a set."""
        return self.category, self.subcategory, self.set_id, self.question_id

    @property
    def figure(self) -> tuple[str, str, str, str]:
        """All questions about one figure."""
        return self.category, self.subcategory, self.set_id, self.figure_id


def parse_verdict(reply: str) -> int:
    """What the judge's reply says: a reply with "incorrect" in it is 0, with "correct" 1, another 2.

    Source: utils.py of tianyi-lab/HallusionBench.
    """
    lower = reply.lower()
    if "incorrect" in lower:
        return WRONG
    return RIGHT if "correct" in lower else UNCLEAR


def judgement_of(reply: str) -> str:
    """``0``, ``1`` or ``2`` as ``parse_verdict``; ``UNREAD`` where the reply does not say unclear, either."""
    verdict = parse_verdict(reply)
    return UNREAD if verdict == UNCLEAR and "unclear" not in reply.lower() else str(verdict)


def accuracies(verdicts: Sequence[Verdict]) -> dict[str, float | None]:
    """aAcc, qAcc, fAcc, easy_aAcc and hard_aAcc in per cent; None where there is nothing to count.

    qAcc asks a question to be right over all its figures, fAcc a figure over all its questions (no figure is
    none), easy and hard ones are qAcc over the questions about unedited and about edited figures.

    Source: evaluation.py and utils.py of tianyi-lab/HallusionBench.
    """
    figures = figure_stats(verdicts)
    easy = [v for v in verdicts if v.visual_input != "2"]
    hard = [v for v in verdicts if v.visual_input == "2"]
    return {
        "aAcc": _percent([v.correct for v in verdicts]),
        "qAcc": _percent([all(group) for group in _grouped(verdicts, pairs=True)]),
        "fAcc": 100 * figures["correct"] / figures["total"] if figures["total"] else None,
        "easy_aAcc": _percent([all(group) for group in _grouped(easy, pairs=True)]),
        "hard_aAcc": _percent([all(group) for group in _grouped(hard, pairs=True)]),
    }


def figure_stats(verdicts: Iterable[Verdict]) -> dict[str, float]:
    """Figures with all, none and some questions right, and their mean share (``score``).

    Source: get_eval_fig of tianyi-lab/HallusionBench.
    """
    groups = _grouped([v for v in verdicts if not (v.category == "VS" and v.figure_id == "0")], pairs=False)
    shares = [sum(group) / len(group) for group in groups]
    right, wrong = sum(share == 1 for share in shares), sum(share == 0 for share in shares)
    return {
        "total": len(shares),
        "correct": right,
        "wrong": wrong,
        "inconsistent": len(shares) - right - wrong,
        "score": sum(shares) / len(shares) if shares else 0.0,
    }


def failures(verdicts: Sequence[Verdict]) -> dict[str, int]:
    """Wrong answers by cause: language hallucination (LH), visual illusion (VI), or both (Mix).

    Source: get_eval_all of tianyi-lab/HallusionBench.
    """
    causes = {"LH": 0, "VI": 0, "Mix": 0}
    for v in verdicts:
        cause = _cause(v)
        if cause:
            causes[cause] += 1
    return causes | {"correct": sum(v.correct for v in verdicts), "total": len(verdicts)}


def pair_failures(verdicts: Sequence[Verdict]) -> dict[str, int]:
    """Question pairs by cause of failure, judged against the answer to the original figure; the names in _cg
    count the questions in them.

    Source: get_eval_pair_all of tianyi-lab/HallusionBench.
    """
    original = {v.pair: v.verdict for v in verdicts if v.figure_id == "0"}
    blame: dict[tuple[str, ...], tuple[int, int]] = {}
    correct: dict[tuple[str, ...], bool] = {}
    each = [_blame(v, original.get(v.pair, RIGHT)) for v in verdicts]
    for v, (language, vision) in zip(verdicts, each, strict=True):
        before = blame.get(v.pair, (0, 0))
        blame[v.pair] = before[0] + language, before[1] + vision
        correct[v.pair] = correct.get(v.pair, True) and v.correct
    return {
        "total": len(blame),
        "total_q": len(verdicts),
        "correct": sum(correct.values()),
        "wrong": len(blame) - sum(correct.values()),
        **_causes(blame.values(), ""),
        **_causes(each, "_cg"),
    }


def yes_bias(verdicts: Sequence[Verdict]) -> dict[str, float | None]:
    """``diff``: share of yes said less share of yes true; ``fp``: share of yes among the wrong answers.

    The original takes an answer for yes where correctness equals the truth, which is kept.

    Source: yes_ratio_stats of tianyi-lab/HallusionBench.
    """
    if not verdicts:
        return {"diff": None, "fp": None}
    said = [int(int(v.correct) == int(v.gt_answer)) for v in verdicts]
    true = [int(v.gt_answer) for v in verdicts]
    wrong = [yes for yes, v in zip(said, verdicts, strict=True) if not v.correct]
    return {
        "diff": (sum(said) - sum(true)) / len(verdicts),
        "fp": sum(wrong) / len(wrong) if wrong else None,
    }


def _cause(v: Verdict) -> str | None:
    """Which part failed in one question, the original one not looked at."""
    if v.verdict == RIGHT:
        return None
    if v.category == "VD":
        return "VI" if v.figure_id == "0" or v.verdict == UNCLEAR else "Mix"
    if v.visual_input == "0":
        return "LH" if v.verdict == WRONG else None
    return "Mix" if v.verdict == WRONG else "VI"


def _blame(v: Verdict, original: int) -> tuple[int, int]:
    """(language, vision): which parts the answer to one figure of a pair blames."""
    if v.verdict == RIGHT:
        return 0, 0
    if v.figure_id == "0":
        if v.category == "VD":
            return 0, 1
        return (1, 0) if v.verdict == WRONG else (0, 0)
    if v.category == "VD":
        return (1, 1) if original == RIGHT and v.verdict == WRONG and v.same else (0, 1)
    if original == WRONG:
        return (1, 0) if v.verdict == WRONG and v.same else (1, 1)
    if original == RIGHT and v.verdict == WRONG and v.visual_input == "2" and v.same:
        return 1, 0
    return 0, 1


def _causes(blames: Iterable[tuple[int, int]], suffix: str) -> dict[str, int]:
    found = list(blames)
    return {
        f"LH{suffix}": sum(language > 0 and not vision for language, vision in found),
        f"VI{suffix}": sum(vision > 0 and not language for language, vision in found),
        f"Mix{suffix}": sum(language > 0 and vision > 0 for language, vision in found),
    }


def _grouped(verdicts: Iterable[Verdict], pairs: bool) -> list[list[bool]]:
    groups: dict[tuple[str, ...], list[bool]] = {}
    for v in verdicts:
        groups.setdefault(v.pair if pairs else v.figure, []).append(v.correct)
    return list(groups.values())


def _percent(values: Sequence[bool]) -> float | None:
    return 100 * sum(values) / len(values) if values else None
