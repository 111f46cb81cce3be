"""AMBER: one annotation file for its questions and its descriptions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.benchmark_files.files import SIZE, Files, dump

_TYPES = (
    "discriminative-attribute-state",
    "discriminative-attribute-number",
    "discriminative-attribute-action",
    "discriminative-hallucination",
    "discriminative-relation",
    "relation",
)


def _truth(folder: Path) -> tuple[Path, list[dict[str, Any]]]:
    truth: list[dict[str, Any]] = [
        {"id": n, "type": "generative", "truth": ["dog", "tree"], "hallu": ["cat"]}
        for n in range(1, SIZE + 1)
    ]
    for n in range(SIZE):
        kind = _TYPES[n % 6]
        truth.append(
            {"id": SIZE + 1 + n, "type": kind, "truth": "no" if kind.endswith("ion") or n % 12 > 5 else "yes"}
        )
    queries = [{"id": t["id"], "image": f"AMBER_{t['id'] % 9}.jpg", "query": "Is it so?"} for t in truth]
    dump(folder / "query_all.json", queries)
    dump(folder / "relation.json", {"dog": ["puppy"], "tree": [], "cat": []})
    (folder / "safe_words.txt").write_text("man\n")
    return dump(folder / "annotations.json", truth), truth


def amber(folder: Path) -> Files:
    path, truth = _truth(folder)
    answers = [
        {"id": t["id"], "response": t["truth"].capitalize()} for t in truth if t["type"] != "generative"
    ]
    return Files(
        path,
        dump(folder / "answers.json", answers),
        perfect={"existence_precision": 1.0},
        questions=folder / "query_all.json",
    )


def amber_descriptions(folder: Path) -> Files:
    path, truth = _truth(folder)
    answers = [
        {"id": t["id"], "response": "A puppy under trees."} for t in truth if t["type"] == "generative"
    ]
    return Files(
        path,
        dump(folder / "answers.json", answers),
        perfect={"cover": 1.0, "hal": 0.0, "cog": 0.0},
        questions=folder / "query_all.json",
    )
