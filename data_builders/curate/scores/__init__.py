"""Numbers about one record each, one file a score; adding one is a new file and a line here."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from mmtune.errors import UserError, unknown
from mmtune.records import Record


@dataclass(frozen=True)
class Score:
    """One number about a record."""

    says: str
    """What the number means."""
    needs: str = "nothing"
    """What it is worked out with, as options of ``mmtune data score``."""
    paper: str = ""
    """Whose idea it is; empty where it is common practice."""
    place: str = ""
    """"module:function" in this folder, of a score that needs nothing but the record."""


SCORES: dict[str, Score] = {
    "length": Score("words of the answers", place="length:words"),
    "turns": Score("turns of the conversation", place="length:turns"),
    "refusal": Score(
        "share of the answers that refuse or speak of being a program", place="refusal:refusals"
    ),
    "repetition": Score(
        "share of the answers' words that repeat four words running", place="repetition:repetition"
    ),
    "foreign": Score("1 where question and answer are in two languages, else 0", place="foreign:foreign"),
    "rating": Score(
        "how good an example it is, 1 to 10, by a teacher; or the record's own 'rating' or 'score'",
        "--teacher, or rows with 'rating'",
        "AlpaGasus, arXiv 2307.08701",
        "rating:stored",
    ),
    "complexity": Score(
        "how much the questions demand, 1 to 10, by a teacher", "--teacher", "DEITA, arXiv 2312.15685"
    ),
    "similarity": Score("cosine of image and text", "--clip", "CLIP score, arXiv 2104.08718"),
    "loss": Score("mean loss of the answers", "--model"),
    "difficulty": Score(
        "loss of the answers in the conversation over their loss alone (IFD)",
        "--model",
        "Cherry LLM, arXiv 2308.12032",
    ),
    "reward": Score(
        "a reward model's number for the conversation",
        "--reward, or --model and --head",
        "Align2LLaVA, arXiv 2409.18541",
    ),
    "question_reward": Score(
        "a reward model's number for the questions alone",
        "--question-reward",
        "Align2LLaVA, arXiv 2409.18541",
    ),
}
"""Name -> what it says and needs."""

FEATURES: dict[str, Score] = {
    "plain": Score("words and colours, without a model"),
    "clip": Score("image and text vectors", "--clip"),
    "hidden": Score("position-weighted hidden states", "--model", "RDS+, arXiv 2503.01807"),
    "gradients": Score(
        "projected gradients of the adapters, or of the projector", "--model", "LESS, arXiv 2402.04333"
    ),
}
"""The same of vectors, which selectors compare."""


def get_score(name: str) -> Callable[[Record], float]:
    """The function of a score that needs nothing but the record; it gives NaN for a record that has none.

    Raises:
        UserError: there is no such score, or it needs more.
    """
    if name not in SCORES:
        raise unknown("score", name, SCORES, "--score")
    if not SCORES[name].place:
        raise UserError(f"{name} needs {SCORES[name].needs}", "--score", "give it")
    module, function = SCORES[name].place.split(":")
    found: Callable[[Record], float] = getattr(importlib.import_module(f"{__name__}.{module}"), function)
    return found


def answers_of(record: Record) -> list[str]:
    """What the assistant says, turn by turn."""
    return [turn.text for turn in record.turns if turn.role == "assistant"]


__all__ = ["FEATURES", "SCORES", "Score", "answers_of", "get_score"]
