"""BLEU as COCO's caption script computes it: corpus counts, the reference of the nearest length."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

ORDERS = 4
_TINY, _SMALL = 1e-15, 1e-9

Words = Sequence[str]


def bleu_counts(words: Words, references: Sequence[Words]) -> dict[str, int]:
    """What one caption adds to the counts that BLEU is computed from.

    Args:
        words: the caption's words (see ``eval.metrics.ptb``).
        references: the words of each reference caption; at least one.

    Returns:
        length, reference (length of the nearest reference, the shorter where two are as near), and for each
        n-gram order n guess_n and match_n.
    """
    lengths = [len(reference) for reference in references]
    counts = {"length": len(words), "reference": min(lengths, key=lambda n: (abs(n - len(words)), n))}
    for order in range(1, ORDERS + 1):
        largest: Counter[tuple[str, ...]] = Counter()
        for reference in references:
            largest |= _ngrams(reference, order)
        counts[f"guess_{order}"] = max(0, len(words) - order + 1)
        counts[f"match_{order}"] = sum((_ngrams(words, order) & largest).values())
    return counts


def bleu(length: float, reference: float, guesses: Sequence[float], matches: Sequence[float]) -> list[float]:
    """BLEU-1 to BLEU-4 from summed counts.

    Args:
        length: words of the captions.
        reference: words of their nearest references.
        guesses: n-grams of the captions, for each order.
        matches: of these, found in a reference.

    Source: the Bleu scorer of pycocoevalcap; Papineni et al., BLEU.
    """
    ratio = (length + _TINY) / (reference + _SMALL)
    penalty = math.exp(1 - 1 / ratio) if ratio < 1 else 1.0
    scores: list[float] = []
    product = 1.0
    for order, (guess, match) in enumerate(zip(guesses, matches, strict=True), start=1):
        product *= (match + _TINY) / (guess + _SMALL)
        scores.append(product ** (1 / order) * penalty)
    return scores


def sentence_bleu(words: Words, references: Sequence[Words]) -> list[float]:
    """BLEU-1 to BLEU-4 of one caption, as the script gives them for each image."""
    return _bleu(bleu_counts(words, references))


def corpus_bleu(captions: Sequence[Words], references: Sequence[Sequence[Words]]) -> list[float]:
    """BLEU-1 to BLEU-4 over all captions; zeros without any.

    Raises:
        ValueError: if there are more of one than of the other.
    """
    total: Counter[str] = Counter()
    for words, refs in zip(captions, references, strict=True):
        total.update(bleu_counts(words, refs))
    return _bleu(total) if captions else [0.0] * ORDERS


def _bleu(counts: Counter[str] | dict[str, int]) -> list[float]:
    orders = range(1, ORDERS + 1)
    return bleu(
        counts["length"],
        counts["reference"],
        [counts[f"guess_{order}"] for order in orders],
        [counts[f"match_{order}"] for order in orders],
    )


def _ngrams(words: Words, order: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[start : start + order]) for start in range(len(words) - order + 1))
