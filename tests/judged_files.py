"""Answers to small benchmarks that a judge marks, in the forms that the official scripts take, and a judge."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import benchmark_files

TASKS = ("mmvet", "llavabench", "mmhal", "hallusionbench")
RIGHT = {"mmvet": "It is red.", "llavabench": "A red thing.", "mmhal": "It is red.", "hallusionbench": "Yes."}
WRONG = {"mmvet": "It is blue.", "llavabench": "Nothing.", "mmhal": "It is blue.", "hallusionbench": "No."}


@dataclass
class Judged:
    """A benchmark with answers of which every third is wrong."""

    task: str
    annotations: Path
    answers: Path
    items: int = benchmark_files.SIZE
    wrong: int = (benchmark_files.SIZE + 2) // 3

    @property
    def words(self) -> list[str]:
        """Of a command that judges them, up to the judge."""
        return [
            "judge",
            self.task,
            "--predictions",
            str(self.answers),
            "--annotations",
            str(self.annotations),
        ]


def write(task: str, folder: Path) -> Judged:
    """The benchmark's own files, and a model's answers."""
    files = benchmark_files.write(task, folder)
    # No two answers are alike, so that none is asked about only once.
    texts = [f"{(WRONG if n % 3 == 0 else RIGHT)[task]} Number {n}." for n in range(benchmark_files.SIZE)]
    return Judged(task, files.annotations, _ANSWERS[task](folder, files.annotations, texts))


def said_by_the_judge(body: dict[str, Any]) -> str:
    """A judge's reply in the form that each prompt asks for; right where the answer is ``RIGHT``."""
    asked = body["messages"][-1]["content"]
    if "[Answer 1]" in asked:  # the reference is always worth 8
        first, second = re.findall(r"\[Answer \d\]\n(.*?)\n\[End", asked, re.DOTALL)
        return f"{_worth(first)} {_worth(second)}\nSo it seems."
    if "Standard answer:" in asked:
        return f"Looked at.\nRating: {6 if RIGHT['mmhal'] in asked else 1}"
    if "Reference:" in asked:
        answer = re.search(r"Answer:\n(.*)\n", asked)
        reference = re.search(r"Reference: (.*)\n", asked)
        assert answer and reference
        return "correct" if answer[1].lower().startswith(reference[1].lower()) else "incorrect"
    return "1.0" if RIGHT["mmvet"] in asked else "0.0"


def _worth(answer: str) -> int:
    return 8 if answer == "The reference." else 6 if answer.startswith(RIGHT["llavabench"]) else 2


def _mmvet(folder: Path, annotations: Path, texts: list[str]) -> Path:
    ids = json.loads(annotations.read_text())
    return benchmark_files.dump(folder / "model.json", dict(zip(ids, texts, strict=True)))


def _llavabench(folder: Path, annotations: Path, texts: list[str]) -> Path:
    rows = [json.loads(line) for line in annotations.read_text().splitlines()]
    benchmark_files.rows(
        folder / "context.jsonl",
        [{"id": n, "image": r["image"], "caption": "Red."} for n, r in enumerate(rows)],
    )
    benchmark_files.rows(
        folder / "answers_gpt4.jsonl",
        [{"question_id": row["question_id"], "text": "The reference."} for row in rows],
    )
    given = [{"question_id": row["question_id"], "text": text} for row, text in zip(rows, texts, strict=True)]
    return benchmark_files.rows(folder / "model.jsonl", given)


def _mmhal(folder: Path, annotations: Path, texts: list[str]) -> Path:
    rows = json.loads(annotations.read_text())
    given = [row | {"model_answer": text} for row, text in zip(rows, texts, strict=True)]
    return benchmark_files.dump(folder / "model.json", given)


def _hallusionbench(folder: Path, annotations: Path, texts: list[str]) -> Path:
    rows = json.loads(annotations.read_text())
    given = [
        row | {"model_prediction": text.replace("Yes", ("No", "Yes")[int(row["gt_answer"])], 1)}
        if text.startswith("Yes")
        else row | {"model_prediction": text.replace("No", "Hm", 1)}
        for row, text in zip(rows, texts, strict=True)
    ]
    return benchmark_files.dump(folder / "model.json", given)


_ANSWERS = {"mmvet": _mmvet, "llavabench": _llavabench, "mmhal": _mmhal, "hallusionbench": _hallusionbench}
