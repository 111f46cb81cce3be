"""Benchmarks whose questions are answered in words of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.benchmark_files.files import COLOURS, SIZE, Files, colour, dump


def _ten(number: int, ids: bool = True) -> list[dict[str, Any]]:
    answers = [colour(number)] * 8 + ["a dog", "none"]
    return [
        {"answer": text, "answer_confidence": "yes", **({"answer_id": place} if ids else {})}
        for place, text in enumerate(answers, start=1)
    ]


def vqav2(folder: Path) -> Files:
    annotations = [
        {
            "question_id": 100 + n,
            "image_id": n // 2,
            "question_type": "what" if n % 2 else "is the",
            "answer_type": "other",
            "multiple_choice_answer": colour(n),
            "answers": _ten(n),
        }
        for n in range(SIZE)
    ]
    questions = [
        {"question_id": 100 + n, "image_id": n // 2, "question": "What colour is it?"} for n in range(SIZE)
    ]
    answers = [{"question_id": 100 + n, "answer": colour(n)} for n in reversed(range(SIZE))]
    return Files(
        dump(folder / "annotations.json", {"annotations": annotations}),
        dump(folder / "answers.json", answers),
        questions=dump(folder / "questions.json", {"data_subtype": "val2014", "questions": questions}),
    )


def vizwiz(folder: Path) -> Files:
    truth = [
        {
            "image": f"VizWiz_val_{n}.jpg",
            "question": "What is this?",
            "answers": [
                {"answer": "unanswerable" if n < 4 else colour(n), "answer_confidence": str(i)}
                for i in range(10)
            ],
            "answer_type": "unanswerable" if n < 4 else "other",
            "answerable": int(n >= 4),
        }
        for n in range(SIZE)
    ]
    answers = [{"image": t["image"], "answer": t["answers"][0]["answer"]} for t in truth]
    return Files(
        dump(folder / "val.json", truth),
        dump(folder / "answers.json", answers),
        perfect={"abstained": 4 / SIZE, "abstained_rightly": 1.0, "unanswerable_found": 1.0},
    )


def gqa(folder: Path) -> Files:
    questions = {
        f"0{n}": {
            "question": "Is it red?",
            "imageId": str(n // 2),
            "answer": colour(n),
            "isBalanced": True,
            "types": {"structural": "query" if n % 2 else "verify", "semantic": "attr", "detailed": "x"},
            "groups": {"global": "color" if n % 2 else None, "local": "x"},
            "semantic": [{"operation": "select", "argument": "dog (1)", "dependencies": []}],
            "entailed": [f"0{n}", f"0{(n + 1) % SIZE}"],
            "equivalent": [],
        }
        for n in range(SIZE)
    }
    choices = {qid: {"valid": list(COLOURS), "plausible": [q["answer"]]} for qid, q in questions.items()}
    answers = [{"questionId": qid, "prediction": q["answer"]} for qid, q in questions.items()]
    return Files(
        dump(folder / "questions.json", questions),
        dump(folder / "answers.json", answers),
        settings=f"choices={dump(folder / 'choices.json', choices)}",
        perfect={
            **dict.fromkeys(("binary", "open", "consistency", "validity", "plausibility"), 1.0),
            "distribution": 0.0,
        },
    )
