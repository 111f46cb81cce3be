"""MMStar: accuracy by ability, gain by looking, and leakage into the language model."""

from __future__ import annotations

from collections.abc import Iterable

from eval.metrics.choice import mmstar_right

_QUESTIONS_OF_A_CATEGORY = 250
_QUESTIONS = 1500


def mmstar_scores(rows: Iterable[tuple[str, str, str, str]]) -> dict[str, float]:
    """Scores by the official divisors: 1500 in all, 250 for a category, and what is there below that.

    Over fewer questions than the benchmark has these understate; ``eval`` reports the share of what was
    answered beside them.

    Args:
        rows: (prediction, answer, category, second-level category).

    Source: MMStar_eval of MMStar-Benchmark/MMStar.
    """
    right: dict[str, int] = {}
    below: dict[str, list[int]] = {}
    for prediction, answer, category, second in rows:
        hit = int(mmstar_right(prediction, answer))
        right[category] = right.get(category, 0) + hit
        below.setdefault(f"{category}({second})", []).append(hit)
    return {
        "final score": sum(right.values()) / _QUESTIONS,
        **{category: hits / _QUESTIONS_OF_A_CATEGORY for category, hits in right.items()},
        **{name: sum(hits) / len(hits) for name, hits in below.items()},
    }


def multimodal_gain(seen: float, unseen: float) -> float:
    """What looking at the image adds to the score.

    Source: Chen et al., Are We on the Right Way for Evaluating Large Vision-Language Models?
    """
    return seen - unseen


def multimodal_leakage(unseen: float, language_model: float) -> float:
    """What the model answers without the image beyond what its language model did before it learned to see.

    Source: as ``multimodal_gain``.
    """
    return max(0.0, unseen - language_model)
