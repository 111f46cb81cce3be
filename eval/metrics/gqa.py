"""GQA: accuracy, and whether answers agree with each other and with the world."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

Question = Mapping[str, Any]
"""A question as the benchmark's file has it."""
Choices = Mapping[str, Mapping[str, Sequence[str]]]
"""Question id → ``valid`` and ``plausible`` answers, as GQA's choices file has them."""

_COMMON_GROUP = ("color", "material", "shape")
_NOT_STEPS = ("exist", "query: name", "choose name")


def convert(text: str) -> str:
    """A reply as LLaVA submits it to GQA: final full stops off, lower case, and nothing else.

    Source: scripts/convert_gqa_for_eval.py of haotian-liu/LLaVA.
    """
    return text.rstrip(".").lower()


def gqa_scores(
    questions: Mapping[str, Question],
    predictions: Mapping[str, str],
    choices: Choices | None = None,
    consistency: bool = False,
) -> dict[str, float | None]:
    """GQA's figures over the balanced questions, in per cent but for ``distribution``.

    Args:
        questions: the question file; questions without a prediction are left out, which the caller must
            tell.
        predictions: question id → answer as it is submitted (see ``convert``), compared letter by letter.
        choices: what is valid and what is plausible; without them both figures are None.
        consistency: also compute ``consistency``, for which the entailed questions must be answered, too.

    Returns:
        accuracy, binary, open, validity, plausibility, distribution (chi-square over a hundred; lower is
        better) and consistency; None where there is nothing to average (the official script prints 0).

    Source: eval.py of GQA, as in PKU-YuanGroup/Video-LLaVA.
    """
    asked = {qid: q for qid, q in questions.items() if q["isBalanced"] and qid in predictions}
    right = {qid: predictions[qid] == q["answer"] for qid, q in asked.items()}
    is_open = {qid: q["types"]["structural"] == "query" for qid, q in asked.items()}
    return {
        "accuracy": _percent(right.values()),
        "binary": _percent(right[qid] for qid in asked if not is_open[qid]),
        "open": _percent(right[qid] for qid in asked if is_open[qid]),
        "validity": _percent(_belongs(asked, predictions, choices, "valid")) if choices else None,
        "plausibility": _percent(_belongs(asked, predictions, choices, "plausible")) if choices else None,
        "consistency": _percent(_consistencies(asked, questions, predictions)) if consistency else None,
        "distribution": distribution(asked, predictions),
    }


def entailed_share(
    qid: str, questions: Mapping[str, Question], predictions: Mapping[str, str]
) -> float | None:
    """Share of the questions that follow from a rightly answered one whose answers are right, too; None where
    it was answered wrongly or nothing follows from it.

    A question without an answer counts as wrong, one that is not in the file not at all.
    """
    question = questions[qid]
    entailed = [other for other in question["entailed"] if other != qid and other in questions]
    if not entailed or predictions.get(qid) != question["answer"]:
        return None
    return sum(predictions.get(other) == questions[other]["answer"] for other in entailed) / len(entailed)


def distribution(questions: Mapping[str, Question], predictions: Mapping[str, str]) -> float | None:
    """Chi-square between the answers given and the true ones within each group of questions, over a hundred.

    Source: chiSquare in GQA's eval.py.
    """
    gold: dict[str, Counter[str]] = defaultdict(Counter)
    said: dict[str, Counter[str]] = defaultdict(Counter)
    for qid, question in questions.items():
        group = question["groups"]["global"]
        if group is not None:
            gold[group][question["answer"]] += 1
            said[group][predictions[qid]] += 1
    total = sum(sum(counts.values()) for counts in gold.values())
    weighted = 0.0
    for group, counts in gold.items():
        differences = sum((said[group][answer] - true) ** 2 / true for answer, true in counts.items())
        weighted += differences * sum(counts.values())
    return weighted / total / 100 if total else None


def kind_shares(
    questions: Mapping[str, Question], predictions: Mapping[str, str]
) -> dict[str, dict[str, float]]:
    """Accuracy in per cent by structural and semantic type, number of steps and number of words."""
    groups: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for qid, question in questions.items():
        if question["isBalanced"] and qid in predictions:
            right = predictions[qid] == question["answer"]
            for name, kind in question_kinds(question).items():
                groups[name][kind].append(right)
    return {
        name: {kind: 100 * sum(found) / len(found) for kind, found in kinds.items()}
        for name, kinds in groups.items()
    }


def question_kinds(question: Question) -> dict[str, str]:
    """The breakdowns that a question belongs to."""
    steps = [f"{step['operation']}: {step['argument']}" for step in question["semantic"]]
    counted = [step for step in steps if not any(name in step for name in _NOT_STEPS)]
    return {
        "structural": question["types"]["structural"],
        "semantic": question["types"]["semantic"],
        "steps": str(len(counted)),
        "words": str(len(question["question"].split())),
    }


def belongs(answer: str, allowed: Sequence[str], question: Question) -> bool:
    """Whether an answer is among the allowed ones; questions of a "Common" type allow three fixed words."""
    return answer in (_COMMON_GROUP if "Common" in question["types"]["detailed"] else allowed)


def _belongs(
    asked: Mapping[str, Question], predictions: Mapping[str, str], choices: Choices, kind: str
) -> Iterator[bool]:
    for qid, question in asked.items():
        yield belongs(predictions[qid], choices.get(qid, {}).get(kind, ()), question)


def _consistencies(
    asked: Mapping[str, Question], questions: Mapping[str, Question], predictions: Mapping[str, str]
) -> Iterator[float]:
    for qid in asked:
        share = entailed_share(qid, questions, predictions)
        if share is not None:
            yield share


def _percent(values: Iterable[float]) -> float | None:
    found = list(values)
    return 100 * sum(found) / len(found) if found else None
