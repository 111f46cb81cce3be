"""A reward out of a checkpoint: one linear head over its hidden states, learned from people's preferences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmtune.errors import RecordError, UserError
from mmtune.records import Record, parse_llava

LEAST_PAIRS = 10
"""Fewer say nothing about a head of hundreds of numbers."""
_FOLDS = 5
_NAME = "weights"


@dataclass(frozen=True)
class RewardHead:
    """A reward is the product of these weights with a record's hidden states.

    Args:
        weights: (width,) of ``RecordScorer.hidden``.
        accuracy: share of pairs that heads learned without them put in the right order.
        pairs: that it was learned from.
    """

    weights: NDArray[np.float32]
    accuracy: float = 0.0
    pairs: int = 0

    @classmethod
    def fit(cls, chosen: NDArray[np.float32], rejected: NDArray[np.float32]) -> RewardHead:
        """Learn from pairs by the Bradley-Terry model: the better one's reward is to be higher.

        Args:
            chosen: (pairs, width) hidden states of the better records.
            rejected: (pairs, width) of the worse ones.

        Raises:
            UserError: there are too few pairs.

        Source: the reward models of Align²LLaVA, as one layer on a model that stays as it is.
        """
        if len(chosen) < LEAST_PAIRS:
            raise UserError(f"a reward cannot be learned from {len(chosen)} pairs", fix=f"give {LEAST_PAIRS}")
        differences = np.asarray(chosen, np.float64) - np.asarray(rejected, np.float64)
        scale = np.sqrt((differences**2).mean(axis=0))
        scaled = differences / np.where(scale > 0, scale, 1.0)
        fold_of = np.arange(len(scaled)) % _FOLDS
        right = [
            float(((scaled[fold_of == fold] @ _weights(scaled[fold_of != fold])) > 0).sum())
            for fold in range(_FOLDS)
        ]
        weights = _weights(scaled) / np.where(scale > 0, scale, 1.0)
        return cls(weights.astype(np.float32), sum(right) / len(scaled), len(scaled))

    def save(self, path: Path) -> None:
        """Write the head, whole or not at all."""
        from safetensors.numpy import save_file

        partial = path.with_name(f".{path.name}.partial")
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({_NAME: self.weights}, partial, {"accuracy": str(self.accuracy), "pairs": str(self.pairs)})
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> RewardHead:
        """Read a head.

        Raises:
            UserError: the file cannot be read, or is none.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "np") as file:
                found = file.metadata() or {}
                weights = file.get_tensor(_NAME)
            return cls(weights, float(found["accuracy"]), int(found["pairs"]))
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise UserError(
                f"the file is no reward head: {error}", str(path), "learn one with `mmtune data reward`"
            ) from error

    def reward(self, hidden: NDArray[np.float32]) -> float:
        """Of a record with these hidden states.

        Raises:
            UserError: the head belongs to a model of another width.
        """
        if hidden.shape != self.weights.shape:
            raise UserError(
                f"the head is of a model with {len(self.weights)} hidden states, this one has {len(hidden)}",
                "--head",
                "give the checkpoint that it was learned with",
            )
        return float(hidden @ self.weights)


def pairs(rows: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, Record, Record] | RecordError]:
    """The better and the worse record of each row, or why a row has none.

    Args:
        rows: number and decoded JSON. A row is LLaVA JSON with ``rejected_conversations`` beside
            ``conversations`` (POVID); or has ``prompt`` (turns with ``role`` and ``content``), ``chosen``,
            ``rejected`` and maybe ``images``.
    """
    for number, row in rows:
        try:
            yield number, *_pair(row, number)
        except RecordError as error:
            yield RecordError(error.reason, error.record_id, number)


def _pair(row: Any, number: int) -> tuple[Record, Record]:
    if isinstance(row, dict) and "rejected_conversations" in row:
        plain = {key: value for key, value in row.items() if key != "rejected_conversations"}
        return parse_llava(plain, number), parse_llava(
            {**plain, "conversations": row["rejected_conversations"]}, number
        )
    try:
        prompt = [(turn["role"], turn["content"]) for turn in row["prompt"]]
        answers = row["chosen"], row["rejected"]
    except (TypeError, KeyError) as error:
        raise RecordError("the row is no preference: it lacks a prompt, chosen or rejected") from error
    roles = {"user": "human", "assistant": "gpt", "system": "system"}
    found = []
    for answer in answers:
        turns = [
            {"from": roles.get(role, role), "value": text} for role, text in (*prompt, ("assistant", answer))
        ]
        plain = {"id": row.get("id", str(number)), "conversations": turns, "image": row.get("images") or []}
        found.append(parse_llava(plain, number))
    return found[0], found[1]


def _weights(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """(width,) weights of a logistic regression without intercept, each pair seen from both sides."""
    from sklearn.linear_model import LogisticRegression

    both = np.concatenate([differences, -differences])
    labels = np.repeat([1, 0], len(differences))
    found = LogisticRegression(C=0.1, fit_intercept=False, max_iter=1000).fit(both, labels)
    weights: NDArray[np.float64] = found.coef_[0]
    return weights
