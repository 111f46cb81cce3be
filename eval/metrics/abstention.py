"""Abstention: replies that decline to answer, and whether they do so where there is no answer."""

from __future__ import annotations

import re
from collections.abc import Sequence

UNANSWERABLE = frozenset(
    {"unanswerable", "unsuitable", "unsuitable image", "not answerable", "cannot be answered"}
)
"""Answers, in lower case and without a final stop, that say there is none."""

_DECLINES = re.compile(
    r"\b(?:un(?:answerable|suitable)|(?:can(?:no|')t|could not|unable to|not possible to|impossible to)"
    r" (?:be )?(?:answer|tell|determine|say|know|see)\w*|not enough information|insufficient information"
    r"|(?:i )?(?:do not|don't) know|no answer)\b"
)


def is_unanswerable(answer: str) -> bool:
    """Whether an annotator's answer, word for word, says that there is none."""
    return answer.strip().rstrip(".").lower() in UNANSWERABLE


def declines(reply: str) -> bool:
    """Whether a reply declines: it is, or holds, one of the phrases that say that the question cannot be
    answered.

    Wider than the official exact word, since models decline in sentences; "not" alone does not decline.
    """
    said = " ".join(reply.replace("’", "'").lower().split())
    return is_unanswerable(said) or bool(_DECLINES.search(said))


def abstention_scores(declined: Sequence[bool], unanswerable: Sequence[bool]) -> dict[str, float | None]:
    """Precision, recall and F1 of declining, with the unanswerable questions as the positive class.

    Returns:
        0..1 each; None where undefined: nothing was declined, or nothing is unanswerable.

    Raises:
        ValueError: for lists of different length.
    """
    if len(declined) != len(unanswerable):
        raise ValueError(f"{len(declined)} replies for {len(unanswerable)} questions")
    both = sum(a and b for a, b in zip(declined, unanswerable, strict=True))
    said, true = sum(map(bool, declined)), sum(map(bool, unanswerable))
    return {
        "precision": both / said if said else None,
        "recall": both / true if true else None,
        "f1": 2 * both / (said + true) if said and true else None,
    }
