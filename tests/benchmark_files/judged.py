"""Benchmarks whose answers a judge marks: the answer files are what the official judges left."""

from __future__ import annotations

from pathlib import Path

from tests.benchmark_files.files import SIZE, Files, dump, rows


def hallusionbench(folder: Path) -> Files:
    truth = [
        {
            "category": "VS" if n % 2 else "VD",
            "subcategory": "chart",
            "set_id": str(n // 8),
            "figure_id": str(n // 2 % 2),
            "question_id": str(n // 4 % 2),
            "visual_input": str(n // 2 % 2 + (0 if n % 2 else 1)),
            "question": "Is it so?",
            "gt_answer": str(n % 2),
        }
        for n in range(SIZE)
    ]
    return Files(
        dump(folder / "HallusionBench.json", truth),
        dump(folder / "checked.json", [t | {"gpt4v_output_gpt_check": "1"} for t in truth]),
        perfect={"qAcc": 1.0, "fAcc": 1.0},
    )


def mmhal(folder: Path) -> Files:
    truth = [
        {
            "question_type": "x",
            "image_src": f"http://a/{n}.jpg",
            "question": "Which?",
            "gt_answer": "red",
            "model_answer": "",
        }
        for n in range(SIZE)
    ]
    replies = [{"choices": [{"message": {"content": "Fine. Rating: 6, very informative"}}]} for _ in truth]
    return Files(
        dump(folder / "response_template.json", truth),
        dump(folder / "eval.json", replies),
        perfect={"hallucination_rate": 0.0},
    )


def llavabench(folder: Path) -> Files:
    truth = [
        {"question_id": n, "image": f"{n}.jpg", "text": "Describe it.", "category": ("conv", "detail")[n % 2]}
        for n in range(SIZE)
    ]
    reviews = [
        {"question_id": n, "category": "conv", "content": "8 8\nBoth good.", "tuple": [8.0, 8.0]}
        for n in range(SIZE)
    ]
    return Files(
        rows(folder / "questions.jsonl", truth),
        rows(folder / "reviews.jsonl", reviews),
        perfect={"model_score": 8.0},
    )


def mmvet(folder: Path) -> Files:
    truth = {
        f"v1_{n}": {
            "imagename": f"v1_{n}.jpg",
            "question": "Which?",
            "answer": "red<OR>crimson",
            "imagesource": "x",
            "capability": ["ocr", "math"] if n % 2 else ["rec"],
        }
        for n in range(SIZE)
    }
    grades = {identity: {"model": ["m"], "content": ["1.0"], "score": [1.0]} for identity in truth}
    return Files(
        dump(folder / "mm-vet.json", truth),
        dump(folder / "grades.json", grades),
        perfect={"ocr": 1.0, "rec": 1.0},
    )
