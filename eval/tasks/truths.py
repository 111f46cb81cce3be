"""Truths as a reader wants to see them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

_SHOWN = 4


def most_given(answers: Sequence[str] | Sequence[Mapping[str, Any]] | None) -> str:
    """Annotators' answers, most frequent first."""
    if not answers:
        return "?"
    counts = Counter(a if isinstance(a, str) else a["answer"] for a in answers)
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{answer} ({times})" for answer, times in counts.most_common(_SHOWN))
