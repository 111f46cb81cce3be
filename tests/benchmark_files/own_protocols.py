"""Benchmarks with a protocol of mmtune's own over files that everyone may write."""

from __future__ import annotations

from pathlib import Path

from tests.benchmark_files.files import SIZE, Files, rows


def mmmt_if(folder: Path) -> Files:
    truth = [
        {
            "id": f"c{n // 4}t{n % 4}",
            "image": "0.jpg",
            "question": "Which?",
            "instructions": [["max_words", 5], ["includes", "red"]],
        }
        for n in range(SIZE)
    ]
    answers = [{"id": t["id"], "response": "It is red."} for t in truth]
    return Files(
        rows(folder / "chats.jsonl", truth),
        rows(folder / "answers.jsonl", answers),
        perfect={"followed_all": 1.0},
    )


def link_context(folder: Path) -> Files:
    names = ("blicket", "toma", "wug")
    truth = [
        {
            "id": f"q{n}",
            "image": f"{names[n % 3]}_{n}.png",
            "answer": names[n % 3],
            "demonstrations": [
                {"image": f"{name}_{i}.png", "answer": name} for i in range(1 + n % 2) for name in names
            ],
        }
        for n in range(SIZE)
    ]
    answers = [{"id": t["id"], "answer": f"It is a {t['answer'].title()}."} for t in truth]
    return Files(rows(folder / "isekai.jsonl", truth), rows(folder / "answers.jsonl", answers))


def text_only(folder: Path) -> Files:
    truth = [
        {"id": n, "question": "Say red.", "answers": ["red"], "kind": "copying"}
        if n % 2
        else {"id": n, "question": "Say no more than a word.", "instructions": [["max_words", 1]]}
        for n in range(SIZE)
    ]
    return Files(
        rows(folder / "questions.jsonl", truth),
        rows(folder / "answers.jsonl", [{"id": n, "answer": "Red."} for n in range(SIZE)]),
        perfect={"contained": 1.0},
    )
