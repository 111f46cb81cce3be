"""SEED-Bench: letters compared exactly, as LLaVA's script does, and options ranked by likelihood."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence


def seed_right(prediction: str, answer: str) -> bool:
    """Exact equality of the reply and the letter: "A." is wrong.

    Source: scripts/convert_seed_for_submission.py of haotian-liu/LLaVA.
    """
    return prediction == answer


def seed_scores(questions: Iterable[tuple[str, str, str]], hits: Mapping[str, bool]) -> dict[str, float]:
    """Per cent right by question type, in all, over images and over videos; a question without an answer is
    wrong, and a type without a right answer is 0, on which the original stops.

    Args:
        questions: (id, name of the question type, ``image`` or ``video``).
        hits: question id → whether it was answered rightly.
    """
    found: dict[str, list[bool]] = {}
    for identity, kind, data_type in questions:
        for name in (kind, "Total accuracy", f"{data_type} accuracy"):
            found.setdefault(name, []).append(hits.get(identity, False))
    return {name: 100 * sum(values) / len(values) for name, values in found.items()}


def likeliest(log_likelihoods: Sequence[float], letters: str = "ABCD") -> str | None:
    """The option that the model finds likeliest as a continuation; None without any.

    Source: SEED-Bench's own protocol, which follows no letter in a reply; Li et al., SEED-Bench.
    """
    if not log_likelihoods:
        return None
    best = max(range(len(log_likelihoods)), key=lambda index: log_likelihoods[index])
    return letters[best]
