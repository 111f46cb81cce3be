"""Held against its scene once more, what a teacher wrote must still stand."""

from __future__ import annotations

from collections.abc import Mapping

from data_builders.prompted.claims import check_answer
from data_builders.scenes import Scene
from mmtune.records import IMAGE_PLACEHOLDER, Record


def verify(record: Record, scenes: Mapping[str, Scene]) -> list[str]:
    """Why a record of a prompted builder does not stand; empty where nothing speaks against it.

    Args:
        record: with ``evidence`` in its meta.
        scenes: by id.
    """
    evidence = record.meta.get("evidence")
    if not isinstance(evidence, Mapping) or not evidence.get("scenes"):
        return ["the record does not say what it rests on"]
    (name, *_), turns = evidence["scenes"], [turn for turn in record.turns if turn.role != "system"]
    if name not in scenes:
        return [f"there is no scene {name!r}"]
    if len(evidence["turns"]) != len(turns) // 2:
        return ["there is not one list of evidence for each answer"]
    reasons = []
    for place, rests_on in enumerate(evidence["turns"]):
        question = turns[2 * place].text.removeprefix(f"{IMAGE_PLACEHOLDER}\n")
        checked = check_answer(question, turns[2 * place + 1].text, scenes[name])
        reasons += [f"answer {place + 1}: {reason}" for reason in checked.reasons]
        if list(checked.evidence) != list(rests_on):
            reasons.append(f"answer {place + 1} rests on {', '.join(checked.evidence) or 'nothing'}")
    return reasons
