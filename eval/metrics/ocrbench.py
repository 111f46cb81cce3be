"""OCRBench: an answer counts where an accepted text stands somewhere in the reply."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

RECOGNITION = (
    "Regular Text Recognition",
    "Irregular Text Recognition",
    "Artistic Text Recognition",
    "Handwriting Recognition",
    "Digit String Recognition",
    "Non-Semantic Text Recognition",
)
"""Types that add up to "Text Recognition"."""

_FORMULAS = "HME100k"


def ocrbench_hit(prediction: str, answers: Sequence[str] | str, dataset_name: str) -> bool:
    """Whether a reply holds one of the accepted texts.

    Case and line breaks do not count, but in handwritten formulas (HME100k) case does and blanks do not. An
    empty accepted text is in every reply.

    Args:
        prediction: the reply.
        answers: the accepted texts, or the one there is.
        dataset_name: the item's ``dataset_name``.

    Source: OCRBench/example.py of Yuliang-Liu/MultimodalOCR.
    """
    accepted = [answers] if isinstance(answers, str) else answers
    plain = _formula if dataset_name == _FORMULAS else _line
    said = plain(prediction)
    return any(plain(answer) in said for answer in accepted)


def ocrbench_scores(rows: Iterable[tuple[str, bool]]) -> dict[str, int]:
    """Hits by type, with ``Text Recognition`` and ``Final Score`` as the official script sums them.

    Args:
        rows: (type, hit) of each item.
    """
    scores: dict[str, int] = {}
    for kind, hit in rows:
        scores[kind] = scores.get(kind, 0) + int(hit)
    return {
        **scores,
        "Text Recognition": sum(scores.get(kind, 0) for kind in RECOGNITION),
        "Final Score": sum(scores.values()),
    }


def _line(text: str) -> str:
    return text.lower().strip().replace("\n", " ")


def _formula(text: str) -> str:
    return text.strip().replace("\n", " ").replace(" ", "")
