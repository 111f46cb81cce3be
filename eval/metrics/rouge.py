"""ROUGE-L as COCO's caption script computes it: best recall and best precision, recall weighing more."""

from __future__ import annotations

from collections.abc import Sequence

_BETA = 1.2


def rouge_l(words: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """F-measure of the longest common subsequence, with the best recall and the best precision over the
    references, which need not be of the same one.

    Args:
        words: the caption's words.
        references: the words of each reference caption; at least one.

    Source: the Rouge scorer of pycocoevalcap; Lin, ROUGE.
    """
    # The script splits at single blanks, so that an empty caption is one empty word.
    said = list(words) or [""]
    precision = recall = 0.0
    for reference in references:
        true = list(reference) or [""]
        common = longest_common(said, true)
        precision, recall = max(precision, common / len(said)), max(recall, common / len(true))
    if not precision or not recall:
        return 0.0
    return (1 + _BETA**2) * precision * recall / (recall + _BETA**2 * precision)


def longest_common(one: Sequence[str], other: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(other) + 1)
    for word in one:
        diagonal = 0
        for column, theirs in enumerate(other, start=1):
            above = row[column]
            row[column] = diagonal + 1 if word == theirs else max(above, row[column - 1])
            diagonal = above
    return row[-1]
