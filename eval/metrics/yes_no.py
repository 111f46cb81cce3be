"""Yes/no answers: how POPE and MME read a reply, and the scores that POPE reports."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

_NEGATIVE_WORDS = ("No", "not", "no")
_WORD = re.compile(r"[^\W\d_]+")


def parse_pope(text: str) -> str:
    """Read a reply as POPE does: ``no`` if the first sentence has the word No, not or no, else ``yes``.

    Words are what single spaces separate, after commas are deleted, so ``NO``, ``No!`` and an empty reply
    are yes.

    Source: evaluate.py of POPE.
    """
    first_sentence = text.split(".", 1)[0]
    words = first_sentence.replace(",", "").split(" ")
    return "no" if any(word in words for word in _NEGATIVE_WORDS) else "yes"


def parse_mme(text: str) -> str:
    """Read a reply as MME does: ``yes``, ``no`` or ``other``.

    A reply that is just yes or no counts as such; otherwise its first four characters are searched for the
    two words, so ``snow`` is no and a reply that starts with two spaces is mostly other.

    Source: eval_tool/calculation.py of MME.
    """
    said = text.lower()
    if said in ("yes", "no"):
        return said
    start = said[:4]
    if "yes" in start:
        return "yes"
    return "no" if "no" in start else "other"


def read_yes_no(text: str) -> str | None:
    """Read a reply by the first of the words yes, no and not that it holds, in any case and with any marks.

    Returns:
        ``yes`` or ``no``; None where it holds none of them: a format failure, which POPE reads as yes.
    """
    words = (word.lower() for word in _WORD.findall(text))
    first = next((word for word in words if word in ("yes", "no", "not")), None)
    return "no" if first == "not" else first


def pope_scores(predictions: Iterable[str], labels: Iterable[str]) -> dict[str, float | None]:
    """Scores of a POPE split, with yes as the positive class.

    Args:
        predictions: replies as the model gave them.
        labels: their labels, in the same order; only a literal ``no`` is negative, as in the official script.

    Returns:
        accuracy, precision, recall, f1 and yes_ratio in 0..1; None where a score is undefined (no reply said
        yes, no label is yes, or there is nothing to score).

    Raises:
        ValueError: if there are more of one than of the other.

    Source: evaluate.py of POPE, which divides by zero where this gives None.
    """
    said = [parse_pope(text) == "yes" for text in predictions]
    true = [label != "no" for label in labels]
    if len(said) != len(true):
        raise ValueError(f"{len(said)} predictions for {len(true)} labels")
    return confusion_scores(
        tp=sum(s and t for s, t in zip(said, true, strict=True)),
        fp=sum(s and not t for s, t in zip(said, true, strict=True)),
        tn=sum(not s and not t for s, t in zip(said, true, strict=True)),
        fn=sum(not s and t for s, t in zip(said, true, strict=True)),
    )


def confusion_scores(tp: float, fp: float, tn: float, fn: float) -> dict[str, float | None]:
    """Accuracy, precision, recall, F1 and share of yes from the four counts; None where undefined."""
    precision = _ratio(tp, tp + fp)
    recall = _ratio(tp, tp + fn)
    f1 = None
    if precision is not None and recall is not None:
        f1 = _ratio(2 * precision * recall, precision + recall)
    total = tp + fp + tn + fn
    return {
        "accuracy": _ratio(tp + tn, total),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "yes_ratio": _ratio(tp + fp, total),
    }


MME_PERCEPTION = (
    "existence",
    "count",
    "position",
    "color",
    "posters",
    "celebrity",
    "scene",
    "landmark",
    "artwork",
    "OCR",
)
MME_COGNITION = ("commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning")


def mme_task_scores(pairs: Iterable[Sequence[tuple[str, str]]]) -> dict[str, float | None]:
    """MME's figures of one sub-task.

    Args:
        pairs: for each image its two questions, each as (label, reply); a reply as in the answer file's
            line, its line break included where there is one.

    Returns:
        score (100 times acc + acc+; 0..200), acc (share of questions), acc_plus (share of images with both
        right), precision and recall over the replies that are yes or no (None where there is none, on which
        the original stops or gives 0), other_num, and the four counts.

    Source: eval_tool/calculation.py of MME.
    """
    images = [[(label.strip().lower(), parse_mme(reply)) for label, reply in pair] for pair in pairs]
    said = [both for pair in images for both in pair]
    tp, fn, tn, fp = (
        float(sum(both == wanted for both in said))
        for wanted in (("yes", "yes"), ("yes", "no"), ("no", "no"), ("no", "yes"))
    )
    acc = _ratio(tp + tn, len(said))
    acc_plus = _ratio(sum(all(label == reply for label, reply in pair) for pair in images), len(images))
    scores = confusion_scores(tp, fp, tn, fn)
    return {
        "score": None if acc is None or acc_plus is None else 100 * (acc + acc_plus),
        "acc": acc,
        "acc_plus": acc_plus,
        "precision": scores["precision"],
        "recall": scores["recall"],
        "other_num": float(sum(reply == "other" for _, reply in said)),
        "TP": tp,
        "FN": fn,
        "TN": tn,
        "FP": fp,
    }


def mme_totals(scores: Mapping[str, float | None]) -> dict[str, float | None]:
    """Perception (at most 2000) and Cognition (at most 800): sums of the sub-tasks' scores.

    A sum is None where one of its sub-tasks is missing, since it could not be told from a low one.
    """
    totals: dict[str, float | None] = {}
    for name, tasks in (("perception", MME_PERCEPTION), ("cognition", MME_COGNITION)):
        found = [scores.get(task) for task in tasks]
        known = [value for value in found if value is not None]
        totals[name] = sum(known) if len(known) == len(found) else None
    return totals


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
