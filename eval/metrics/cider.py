"""CIDEr-D: how much a caption says what people say of the same image, and nobody of the others."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

_ORDERS = 4
_SIGMA = 6.0
_SCALE = 10.0
Ngram = tuple[str, ...]


class CiderD:
    """Scores captions against references, with n-gram rarities counted over the references of all images.

    Args:
        references: for each image the words of its reference captions.

    Source: Vedantam et al., CIDEr; the D variant of COCO's script (clipped counts, length penalty, times 10).
    """

    def __init__(self, references: Iterable[Sequence[Sequence[str]]]) -> None:
        self._images = 0
        self._images_with: Counter[Ngram] = Counter()
        for captions in references:
            self._images += 1
            self._images_with.update({ngram for words in captions for ngram in _ngrams(words)})
        self._log_images = math.log(self._images) if self._images else 0.0

    def score(self, words: Sequence[str], references: Sequence[Sequence[str]]) -> float:
        """CIDEr-D of one caption: 0 where nothing is shared, 10 where it is its only reference.

        Args:
            words: the caption's words.
            references: the words of each reference caption of the same image; at least one.
        """
        vector, norms = self._vector(words)
        total = 0.0
        for reference in references:
            ref_vector, ref_norms = self._vector(reference)
            penalty = math.exp(-((len(words) - len(reference)) ** 2) / (2 * _SIGMA**2))
            shared = [0.0] * _ORDERS
            for ngram, weight in vector.items():
                other = ref_vector.get(ngram, 0.0)
                shared[len(ngram) - 1] += min(weight, other) * other
            for order in range(_ORDERS):
                if norms[order] and ref_norms[order]:
                    total += penalty * shared[order] / (norms[order] * ref_norms[order])
        return _SCALE * total / (_ORDERS * len(references))

    def _vector(self, words: Sequence[str]) -> tuple[dict[Ngram, float], list[float]]:
        """TF-IDF weight of each n-gram, and the norm for each n."""
        weights: dict[Ngram, float] = {}
        squares = [0.0] * _ORDERS
        for ngram, count in _ngrams(words).items():
            rarity = self._log_images - math.log(max(1, self._images_with[ngram]))
            weights[ngram] = count * rarity
            squares[len(ngram) - 1] += weights[ngram] ** 2
        return weights, [math.sqrt(square) for square in squares]


def _ngrams(words: Sequence[str]) -> Counter[Ngram]:
    return Counter(
        tuple(words[start : start + order])
        for order in range(1, _ORDERS + 1)
        for start in range(len(words) - order + 1)
    )
