"""Benchmarks about what is written in images: signs, documents and charts."""

from __future__ import annotations

from pathlib import Path

from tests.benchmark_files.files import SIZE, Files, colour, dump


def textvqa(folder: Path) -> Files:
    data = [
        {"question_id": n, "image_id": f"i{n}", "question": "What is written?", "answers": [colour(n)] * 10}
        for n in range(SIZE)
    ]
    return Files(
        dump(folder / "TextVQA_0.5.1_val.json", {"data": data}),
        dump(folder / "answers.json", [{"question_id": n, "answer": colour(n).upper()} for n in range(SIZE)]),
    )


def docvqa(folder: Path) -> Files:
    data = [
        {
            "questionId": 300 + n,
            "question": "Which?",
            "answers": [colour(n), f"{colour(n)} one"],
            "image": f"documents/{n}.png",
            "docId": n,
            "question_types": ["form"],
        }
        for n in range(SIZE)
    ]
    return Files(
        dump(folder / "val_v1.0.json", {"dataset_name": "docvqa", "data": data}),
        dump(folder / "answers.json", [{"questionId": 300 + n, "answer": colour(n)} for n in range(SIZE)]),
    )


def chartqa(folder: Path) -> Files:
    (folder / "truth").mkdir()
    answers = []
    for name in ("human", "augmented"):
        truth = [
            {"imgname": f"{n}.png", "query": f"How many {name}?", "label": str(10 * n)} for n in range(12)
        ]
        dump(folder / "truth" / f"test_{name}.json", truth)
        answers += [
            {
                "imgname": t["imgname"],
                "query": t["query"],
                "answer": str(int(t["label"]) * 1.04) if n else "0",
            }
            for n, t in enumerate(truth)
        ]
    return Files(folder / "truth", dump(folder / "answers.json", answers), perfect={"relaxed_fixed": 1.0})


def ocrbench(folder: Path) -> Files:
    truth = [
        {
            "dataset_name": "HME100k" if n % 5 == 0 else "svt",
            "type": "Regular Text Recognition",
            "question": "What is written?",
            "answers": [colour(n)] if n % 2 else colour(n),
            "image_path": f"svt/{n}.png",
        }
        for n in range(SIZE)
    ]
    answers = [t | {"predict": f"It says {colour(n)}"} for n, t in enumerate(truth)]
    return Files(
        dump(folder / "OCRBench.json", truth), dump(folder / "answers.json", answers), perfect={"score": SIZE}
    )
