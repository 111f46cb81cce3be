"""Folders as ``mmtune eval`` leaves them, written from scores alone, without a model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eval.compare.comparing import stored_task
from eval.scoring import Sampling, Scored, score_table
from eval.tasks import Item

PLAIN = "realworldqa"
"""A benchmark whose score is the mean of what each answer gets."""


@dataclass(frozen=True)
class Given:
    """An item with the answer that a run gave to it."""

    id: str
    counts: Mapping[str, float]
    image: str = ""
    question: str = "Is it red?"
    truth: str = "yes"
    text: str = "yes"
    right: bool = True
    kinds: Mapping[str, str] = field(default_factory=dict)
    error: str | None = None


def right_or_wrong(values: Sequence[bool | float], images: Sequence[str] | None = None) -> list[Given]:
    """Answers of a task such as ``PLAIN``."""
    return [
        Given(
            str(number),
            {"right": float(value), "items": 1.0, "unparsed": 0.0},
            images[number] if images else f"{number}.png",
            right=value >= 0.5,
            text="yes" if value >= 0.5 else "no",
        )
        for number, value in enumerate(values)
    ]


def yes_no(rights: Sequence[bool | float], images: Sequence[str] | None = None) -> list[Given]:
    """POPE's counts: every other question is to be answered yes."""
    rows = []
    for number, right in enumerate(rights):
        true = number % 2 == 0
        name = ("tp" if right else "fn") if true else ("tn" if right else "fp")
        said = (name in ("tp", "fp"), name == "tp", name == "tn")
        counts = dict.fromkeys(("tp", "fp", "tn", "fn", "neither"), 0.0) | {name: 1.0}
        counts |= dict(zip(("yes_fixed", "tp_fixed", "tn_fixed"), map(float, said), strict=True))
        rows.append(
            Given(str(number), counts, images[number] if images else f"{number}.png", right=bool(right))
        )
    return rows


def write_run(folder: Path, tasks: Mapping[str, tuple[str, Sequence[Given]]], **changes: Any) -> Path:
    """Write a run.

    Args:
        folder: the run's.
        tasks: name → benchmark and answers.
        changes: what every task's result is to hold instead.
    """
    folder.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {
        "checkpoint": f"checkpoints/{folder.name}",
        "tasks": {},
        "summary": {"pope_mean_f1": None, "pope_mean_f1_blind": None},
        "settings": {"resamples": 200, "level": 0.95},
        "timing": {"seconds": 1.0, "answers": 1, "answers_per_s": 1.0, "known": 0},
        "versions": {"mmtune": "0"},
        "hardware": {},
    }
    rows = []
    for name, (benchmark, answers) in tasks.items():
        task = stored_task(name, {"benchmark": benchmark})
        scored = [
            Scored(Item(one.id, one.image, one.question), dict(one.counts))
            for one in answers
            if not one.error
        ]
        results["tasks"][name] = {
            "benchmark": benchmark,
            "title": task.title,
            "primary": task.primary,
            "lower_is_better": sorted(task.lower_is_better),
            "not_shares": sorted(task.not_shares),
            "n": len(scored),
            "of": len(answers),
            "complete": len(scored) == len(answers),
            "limit": None,
            "metrics": score_table(task, scored, Sampling(resamples=200)),
            "blind": None,
            "by": {},
            "failed": len(answers) - len(scored),
            "failures": {},
            "answered_by": {"generate": len(scored)},
            "images": str(folder),
            "prompt": "{question}",
            "max_new_tokens": 16,
            "config": {"task": benchmark},
            **changes,
        }
        for one in answers:
            row = {"task": name, "id": one.id, "blind": False, "image": one.image, "question": one.question}
            outcome = (
                {"error": one.error}
                if one.error
                else {
                    "prediction": one.text,
                    "stopped": "stop",
                    "truth": one.truth,
                    "right": one.right,
                    "counts": dict(one.counts),
                    "kinds": dict(one.kinds),
                }
            )
            rows.append(json.dumps(row | outcome) + "\n")
    (folder / "metrics.json").write_text(json.dumps(results), encoding="utf-8")
    (folder / "predictions.jsonl").write_text("".join(rows), encoding="utf-8")
    return folder
