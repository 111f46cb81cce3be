"""ANLS: how near an answer's spelling is to one of the accepted ones (DocVQA, InfographicVQA, ST-VQA)."""

from __future__ import annotations

from collections.abc import Sequence

from eval.metrics.vqa import normalize_evalai


def anls(prediction: str, answers: Sequence[str], threshold: float = 0.5) -> float:
    """Similarity to the nearest accepted answer, 0 where it is below ``threshold``.

    Kept quirks: case and runs of white space do not count in the distance, but it is divided by the length
    of the texts as they stand; a similarity of exactly ``threshold`` counts; two empty texts are alike.

    Args:
        prediction: the model's answer.
        answers: the accepted answers; without any the score is 0.
        threshold: least similarity that scores.

    Returns:
        Similarity in 0..1.

    Source: evaluation script of the Robust Reading Competition (DocVQA and InfographicVQA).
    """
    said = _plain(prediction)
    nearest = min((_distance_share(prediction, said, answer, threshold) for answer in answers), default=1.0)
    score = 1 - nearest
    return float(score) if score >= threshold else 0.0


def anls_stvqa(prediction: str, answers: Sequence[str]) -> float | None:
    """ANLS as ST-VQA's evaluator in mmf has it: stripped, lower-case texts and their own lengths.

    Returns:
        Similarity in 0..1 (0 below a half); None where both texts are empty, on which the original divides
        by zero.

    Source: STVQAANLSEvaluator of facebookresearch/mmf.
    """
    said = prediction.lower().strip()
    best = 0.0
    for answer in answers:
        true = answer.lower().strip()
        length = max(len(said), len(true))
        if length == 0:
            return None
        share = 1 - levenshtein(said, true) / length
        best = max(best, share if share >= 0.5 else 0.0)
    return best


def stvqa_accuracy(prediction: str, answers: Sequence[str]) -> float:
    """1 where the answer is one of the accepted ones after the EvalAI normalisation, else 0.

    Source: STVQAAccuracyEvaluator of facebookresearch/mmf.
    """
    return float(normalize_evalai(prediction) in {normalize_evalai(answer) for answer in answers})


def levenshtein(one: str, other: str) -> int:
    """Least number of letters to insert, delete or change to turn one text into the other."""
    if len(one) > len(other):
        one, other = other, one
    start = 0
    while start < len(one) and one[start] == other[start]:
        start += 1
    end = 0
    while end < len(one) - start and one[-1 - end] == other[-1 - end]:
        end += 1
    one, other = one[start : len(one) - end], other[start : len(other) - end]
    row = list(range(len(one) + 1))
    for below, letter in enumerate(other, start=1):
        diagonal, row[0] = row[0], below
        for column, mine in enumerate(one, start=1):
            if letter == mine:
                diagonal, row[column] = row[column], diagonal
            else:
                diagonal, row[column] = row[column], 1 + min(diagonal, row[column - 1], row[column])
    return row[-1]


def _distance_share(prediction: str, said: str, answer: str, threshold: float) -> float:
    """Distance over length; no more than a lower bound of it where that is too far already, so that an
    answer of a megabyte costs nothing."""
    true = _plain(answer)
    length = max(len(answer.upper()), len(prediction.upper()))
    if length == 0:
        return 0.0
    bound = abs(len(said) - len(true)) / length
    return bound if 1 - bound < threshold else levenshtein(said, true) / length


def _plain(text: str) -> str:
    return " ".join(text.strip().lower().split())
