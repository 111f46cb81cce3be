"""AMBER: hallucination by yes/no questions and in descriptions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

_EXISTENCE = "discriminative-hallucination"
DIMENSIONS: Mapping[str, tuple[str, ...]] = {
    "existence": (_EXISTENCE,),
    "attribute": (
        "discriminative-attribute-state",
        "discriminative-attribute-number",
        "discriminative-attribute-action",
    ),
    "state": ("discriminative-attribute-state",),
    "number": ("discriminative-attribute-number",),
    "action": ("discriminative-attribute-action",),
    "relation": ("discriminative-relation", "relation"),
}
"""Dimension → the types of its annotations."""

_START = 0.001
"""What the official script starts its denominators with, so that none is 0."""
_IN_F1, _IN_F1_OF_EXISTENCE = 0.0001, 0.001

Counts = Mapping[str, float]
"""right, questions, no_right (No to a true no), no_true (true noes), no_said (replies No)."""


def amber_counts(response: str, truth: str) -> dict[str, float]:
    """What one reply adds to the counts: only "Yes" and "No", so written, are answers; No is the positive
    class.

    Source: inference.py of junyangwang0410/AMBER.
    """
    said_no, true_no = response == "No", truth != "yes"
    return {
        "questions": 1.0,
        "right": float(said_no if true_no else response == "Yes"),
        "no_true": float(true_no),
        "no_said": float(said_no),
        "no_right": float(said_no and truth == "no"),
    }


def amber_scores(counts: Sequence[Counts], existence: bool = False) -> dict[str, float]:
    """Accuracy, precision, recall and F1 in per cent, rounded to one place before F1 as the script does.

    Args:
        counts: summed counts of each type of annotation in the dimension; the script starts each one's
            denominators at 0.001.
        existence: whether the dimension is existence alone, whose F1 has a larger term added below.

    Source: as ``amber_counts``.
    """
    total = {
        name: sum(c[name] for c in counts)
        for name in ("right", "questions", "no_right", "no_true", "no_said")
    }
    added = _START * len(counts)
    accuracy = round(total["right"] / (total["questions"] + added) * 100, 1)
    precision = round(total["no_right"] / (total["no_said"] + added) * 100, 1)
    recall = round(total["no_right"] / (total["no_true"] + added) * 100, 1)
    below = precision / 100 + recall / 100 + (_IN_F1_OF_EXISTENCE if existence else _IN_F1)
    f1 = round(2 * (precision / 100) * (recall / 100) / below * 100, 1)
    return {"Accuracy": accuracy, "Precision": precision, "Recall": recall, "F1": f1}


def discriminative_scores(rows: Iterable[tuple[str, str, str]]) -> dict[str, dict[str, float]]:
    """Scores of the yes/no questions: ``discriminative`` over all, and each dimension that is asked about.

    Args:
        rows: (type of the annotation, truth, response).

    Source: as ``amber_counts``.
    """
    by_type: dict[str, dict[str, float]] = {}
    for kind, truth, response in rows:
        into = by_type.setdefault(_dimension_type(kind), {})
        for name, count in amber_counts(response, truth).items():
            into[name] = into.get(name, 0.0) + count
    return scores_by_dimension(by_type)


def scores_by_dimension(by_type: Mapping[str, Counts]) -> dict[str, dict[str, float]]:
    """Scores from the summed counts of each type; dimensions without a question are left out."""
    scores: dict[str, dict[str, float]] = {}
    if by_type:
        names = next(iter(by_type.values()))
        pooled = {name: sum(counts[name] for counts in by_type.values()) for name in names}
        scores["discriminative"] = amber_scores([pooled])
    empty = dict.fromkeys(("right", "questions", "no_right", "no_true", "no_said"), 0.0)
    for dimension, kinds in DIMENSIONS.items():
        used = dict.fromkeys(_dimension_type(kind) for kind in kinds)
        if any(kind in by_type for kind in used):
            found = [by_type.get(kind, empty) for kind in used]
            scores[dimension] = amber_scores(found, existence=dimension == "existence")
    return scores


@dataclass(frozen=True)
class Described:
    """What one description adds to the counts of the generative task."""

    nouns: int
    """Nouns of the vocabulary in the description."""
    hallucinated: int
    """Of these, neither in the image nor like anything in it."""
    covered: int
    """Annotated objects that are named."""
    there: int
    imagined: int
    """Likely hallucinations that are named."""
    likely: int


def describe_counts(
    nouns: Iterable[str],
    truth: Sequence[str],
    hallu: Sequence[str],
    associations: Mapping[str, Sequence[str]],
    safe_words: Iterable[str] = (),
    similar: Callable[[str, str], bool] | None = None,
) -> Described:
    """Hold the nouns of a description against the annotation.

    Args:
        nouns: singular nouns of the description, in order.
        truth: objects in the image.
        hallu: objects that models are likely to make up.
        associations: word → words that go with it (``relation.json``).
        safe_words: words that never count as hallucinated.
        similar: whether two words mean the same. The official script asks the vectors of spaCy's
            en_core_web_lg for a similarity over 0.8; without a judge only equal words are the same, and more
            nouns count as hallucinated.

    Source: as ``amber_counts``.
    """
    vocabulary = {*associations, *(word for words in associations.values() for word in words)}
    named = [noun for noun in nouns if noun in vocabulary]
    safe, passing = _word_list(truth, associations), frozenset(safe_words)
    bad = _word_list(hallu, associations)
    covered: set[int] = set()
    imagined: set[int] = set()
    hallucinated = 0
    same = similar or (lambda one, other: False)
    for noun in named:
        if noun in passing:
            continue
        place = next((index for word, index in safe if word == noun), None)
        if place is not None:
            covered.add(place)
            continue
        exact = next((index for word, index in bad if word == noun), None)
        alike = next((index for word, index in bad if same(noun, word)), None)
        imagined |= {index for index in (exact, alike) if index is not None}
        place = next((index for word, index in safe if same(noun, word)), None)
        if place is None:
            hallucinated += 1
        else:
            covered.add(place)
    return Described(len(named), hallucinated, len(covered), len(truth), len(imagined), len(hallu))


def generative_scores(described: Sequence[Described]) -> dict[str, float]:
    """CHAIR, Cover, Hal and Cog in per cent, to one place.

    Source: as ``amber_counts``, whose denominators start at 0.001 here, too.
    """

    def share(part: float, whole: float) -> float:
        return part / (whole + _START) * 100

    clean = sum(d.hallucinated == 0 for d in described)
    return {
        "CHAIR": round(share(sum(d.hallucinated for d in described), sum(d.nouns for d in described)), 1),
        "Cover": round(share(sum(d.covered for d in described), sum(d.there for d in described)), 1),
        "Hal": round(100 - share(clean, len(described)), 1),
        "Cog": round(share(sum(d.imagined for d in described), sum(d.likely for d in described)), 1),
    }


def amber_score(chair: float, f1: float) -> float:
    """The benchmark's one figure: the mean of 100 - CHAIR and F1, both in per cent."""
    return (100 - chair + f1) / 2


def _dimension_type(kind: str) -> str:
    """Both kinds of relation share one set of counts."""
    return "discriminative-relation" if kind == "relation" else kind


def _word_list(objects: Sequence[str], associations: Mapping[str, Sequence[str]]) -> list[tuple[str, int]]:
    """(word, object that it stands for): first what goes with each object, then the objects."""
    with_them = [(word, index) for index, name in enumerate(objects) for word in associations.get(name, ())]
    return [*with_them, *((name, index) for index, name in enumerate(objects))]
