"""Scores from what a judge wrote: MM-Vet, LLaVA-Bench, MMHal-Bench. No judge is asked here."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

UNREAD = (-1.0, -1.0)
"""What LLaVA-Bench's script takes for a review that it cannot read; it goes into the means."""

MMHAL_TYPES = (
    "attribute",
    "adversarial",
    "comparison",
    "counting",
    "relation",
    "environment",
    "holistic",
    "other",
)
"""Question types of MMHal-Bench; the item at place i is of type i % 8."""

_NOT_HALLUCINATED = 3
_CHECK = re.compile(r"[\W_]*(?:answer[\W_]*)?(yes|no)[\W_]*", re.IGNORECASE)
_BULLET = re.compile(r"(?:[-*•]|\(?\d+[.):])\s*")


def parse_pair(review: str) -> tuple[float, float]:
    """The two scores in the first line of a review, or ``UNREAD``.

    Commas count as spaces, and single spaces must divide exactly two numbers.

    Source: parse_score of llava/eval/eval_gpt_review_bench.py, haotian-liu/LLaVA.
    """
    numbers = review.split("\n")[0].replace(",", " ").split(" ")
    if len(numbers) != 2:
        return UNREAD
    try:
        return float(numbers[0]), float(numbers[1])
    except ValueError:
        return UNREAD


def llavabench_scores(
    reviews: Iterable[tuple[str, Sequence[float]]],
) -> dict[str, tuple[float | None, float, float]]:
    """category (and ``all``) → relative score in per cent, ten times the reference's mean, ten times the
    model's, each to one place.

    The means are rounded to three places before they are divided, as the script does.

    Args:
        reviews: (category, (score of the reference, score of the model)).

    Source: llava/eval/summarize_gpt_review.py of haotian-liu/LLaVA.
    """
    groups: dict[str, list[Sequence[float]]] = {}
    for category, pair in reviews:
        groups.setdefault(category, []).append(pair)
        groups.setdefault("all", []).append(pair)
    return {category: _relative(pairs) for category, pairs in groups.items()}


def _relative(pairs: Sequence[Sequence[float]]) -> tuple[float | None, float, float]:
    reference, model = (round(sum(pair[i] for pair in pairs) / len(pairs), 3) for i in (0, 1))
    relative = round(model / reference * 100, 1) if reference else None
    return relative, round(reference * 10, 1), round(model * 10, 1)


def parse_mmhal(reply: str) -> int | None:
    """The rating 0 to 6 in a judge's reply; None where there is none or several, which counts as 0.

    "Rating: 10" reads as 1, as in the original.

    Source: Eval/summarize_gpt_mmhal.py of llava-rlhf/LLaVA-RLHF.
    """
    lower = reply.lower()
    found = [rating for rating in range(7) if f"rating: {rating}" in lower]
    return found[0] if len(found) == 1 else None


def mmhal_scores(ratings: Sequence[int | None]) -> dict[str, float | None]:
    """Mean rating, share of hallucinated answers (rated below 3), mean by question type, share unread.

    Args:
        ratings: of the items in the benchmark's order, which tells their types.

    Source: as ``parse_mmhal``.
    """
    values = [rating or 0 for rating in ratings]
    by_type = {kind: values[place :: len(MMHAL_TYPES)] for place, kind in enumerate(MMHAL_TYPES)}
    return {
        "average_score": _mean(values),
        "hallucination_rate": _mean([float(value < _NOT_HALLUCINATED) for value in values]),
        **{kind: _mean(found) for kind, found in by_type.items()},
        "unparsed": _mean([float(rating is None) for rating in ratings]),
    }


def parse_grade(reply: str) -> float | None:
    """The grade 0..1 that stands before the first space of an MM-Vet evaluator's reply; None for another.

    Source: the evaluator of yuweihao/MM-Vet, which also takes NaN for a grade.
    """
    try:
        grade = float(reply.split(" ")[0].strip())
    except ValueError:
        return None
    return grade if 0 <= grade <= 1 else None


def parse_choice(reply: str) -> Literal["first", "second", "tie"] | None:
    """Which of two responses is better: the first line is 1, 2 or Tie, and nothing else; None for another.

    Source: PandaLM's form; its parser takes what it cannot read for a tie.
    """
    line = reply.strip().split("\n")[0].strip().lower()
    return {"1": "first", "2": "second", "tie": "tie"}.get(line)  # type: ignore[return-value]


def parse_check(reply: str) -> bool | None:
    """Whether a requirement is met: the one line that says yes or no alone, or ``Answer: yes``; None where
    there is no such line, or lines differ."""
    found = {match[1].lower() for line in reply.split("\n") if (match := _CHECK.fullmatch(line))}
    return found == {"yes"} if len(found) == 1 else None


def parse_checklist(reply: str) -> list[str]:
    """The questions of a written checklist, a line each, without numbers and bullets, each once."""
    entries = (_without_bullet(line.strip()) for line in reply.split("\n"))
    return list(dict.fromkeys(entry for entry in entries if entry.endswith("?")))


def _without_bullet(line: str) -> str:
    bullet = _BULLET.match(line)
    return line[bullet.end() :] if bullet else line


def mmvet_scores(
    grades: Mapping[str, Sequence[float]], capabilities: Mapping[str, Sequence[str]]
) -> dict[str, float | None]:
    """Per cent in all (``total``), for each capability, and for each set of capabilities, as ``ocr+math``.

    Args:
        grades: item → grades 0..1, one for each round of judging; ``std`` is that of the rounds' totals.
        capabilities: item → the capabilities that it needs.

    Source: Yu et al., MM-Vet; its evaluator's means.
    """
    groups: dict[str, list[float]] = {}
    for item, rounds in grades.items():
        names = sorted(set(capabilities[item]))
        for name in dict.fromkeys(["total", *names, "+".join(names)]):
            groups.setdefault(name, []).append(statistics.fmean(rounds))
    times = min((len(rounds) for rounds in grades.values()), default=0)
    totals = [100 * statistics.fmean(rounds[i] for rounds in grades.values()) for i in range(times)]
    return {
        **{name: 100 * statistics.fmean(values) for name, values in groups.items()},
        "std": statistics.pstdev(totals) if times > 1 else None,
    }


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
