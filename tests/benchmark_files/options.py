"""Benchmarks whose questions come with lettered options."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from tests.benchmark_files.files import COLOURS, LETTERS, SIZE, Files, colour, dump, picture, rows


def scienceqa(folder: Path) -> Files:
    problems = {
        str(n): {
            "question": "Which colour?",
            "choices": list(COLOURS[: 2 + n % 3]),
            "answer": n % 2,
            "hint": "Look." if n % 3 else "",
            "image": "image.png" if n % 2 else None,
            "subject": "natural science",
            "grade": "grade2",
            "split": "test",
        }
        for n in range(SIZE + 4)
    }
    dump(folder / "pid_splits.json", {"test": [str(n) for n in range(SIZE)], "val": [str(SIZE)]})
    answers = [{"question_id": str(n), "text": LETTERS[n % 2]} for n in range(SIZE)]
    return Files(
        dump(folder / "problems.json", problems),
        rows(folder / "answers.jsonl", answers),
        perfect={"image_accuracy": 1.0},
    )


def aokvqa(folder: Path) -> Files:
    truth = _aokvqa(folder)
    answers = {f"q{n}": {"multiple_choice": colour(n), "direct_answer": colour(n)} for n in range(SIZE)}
    return Files(truth, dump(folder / "answers.json", answers))


def _aokvqa(folder: Path) -> Path:
    truth = [
        {
            "split": "val",
            "image_id": n,
            "question_id": f"q{n}",
            "question": "Which colour?",
            "choices": list(COLOURS),
            "correct_choice_idx": n % 4,
            "direct_answers": [colour(n)] * 5 + ["dog"] * 5,
        }
        for n in range(SIZE)
    ]
    return dump(folder / "aokvqa_v1p0_val.json", truth)


def _mmbench(folder: Path) -> tuple[Path, list[dict[str, Any]]]:
    table = []
    for n in range(6):
        for turn in range(4):
            options = [COLOURS[(i + turn) % 4] for i in range(4)]
            table.append(
                {
                    "index": n + turn * 1_000_000,
                    "question": "Which\tcolour?".replace("\t", " "),
                    "hint": "Look closely." if n % 2 else "",
                    **dict(zip(LETTERS, options, strict=True)),
                    "answer": LETTERS[options.index(colour(n))],
                    "category": "attribute_recognition",
                    "l2-category": "coarse_perception",
                    "split": "dev",
                    "image": picture(n),
                }
            )
    lines = ["\t".join(table[0]), *("\t".join(str(cell) for cell in row.values()) for row in table)]
    path = folder / "mmbench_dev_20230712.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path, table


def mmbench(folder: Path) -> Files:
    import openpyxl

    path, table = _mmbench(folder)
    book = openpyxl.Workbook()
    book.active.append(["index", "question", *LETTERS, "prediction"])
    for row in table:
        book.active.append([row["index"], row["question"], *(row[c] for c in LETTERS), row["answer"]])
    book.save(folder / "answers.xlsx")
    return Files(path, folder / "answers.xlsx", perfect={"accuracy": 1.0})


def mmbench_cn(folder: Path) -> Files:
    path, table = _mmbench(folder)
    lines = ["index\tprediction", *(f"{row['index']}\t{row['answer']}" for row in table)]
    (folder / "answers.tsv").write_text("\n".join(lines), encoding="utf-8")
    return Files(path, folder / "answers.tsv", perfect={"accuracy": 1.0})


def seedbench(folder: Path) -> Files:
    questions = [
        {
            "question_id": str(n) if n % 4 else f"v{n}",
            "question_type_id": 1 + n % 12,
            "data_type": "image" if n % 4 else "video",
            "data_id": f"{n}.jpg",
            "question": "Which colour?",
            **{f"choice_{c.lower()}": text for c, text in zip(LETTERS, COLOURS, strict=True)},
            "answer": LETTERS[n % 4],
        }
        for n in range(SIZE)
    ]
    kinds = {
        name: number for number, name in enumerate(("Scene", "Identity", "Attributes", "Location"), start=1)
    }
    answers = [{"question_id": q["question_id"], "prediction": q["answer"]} for q in questions]
    return Files(
        dump(folder / "SEED-Bench.json", {"question_type": kinds, "questions": questions}),
        rows(folder / "answers.jsonl", answers),
        perfect={"image_accuracy": 1.0, "video_accuracy": 1.0},
    )


def mmstar(folder: Path) -> Files:
    import pyarrow
    from pyarrow import parquet

    truth = [
        {
            "index": n,
            "question": "Which? Options: A: red, B: green, C: blue, D: white",
            "image": base64.b64decode(picture(n)),
            "answer": LETTERS[n % 4],
            "category": "math",
            "l2_category": "geometry",
            "meta_info": {"source": "x"},
        }
        for n in range(SIZE)
    ]
    parquet.write_table(pyarrow.Table.from_pylist(truth), folder / "mmstar.parquet")
    answers = [{"index": n, "prediction": f"The answer is {LETTERS[n % 4]}"} for n in range(SIZE)]
    return Files(folder / "mmstar.parquet", rows(folder / "answers.jsonl", answers))


def mmmu(folder: Path) -> Files:
    truth = [
        {
            "id": f"validation_Art_{n}",
            "question": "Which <image 1>?",
            "options": str(list(COLOURS)) if n % 3 else "[]",
            "answer": LETTERS[n % 4] if n % 3 else "['12.5', 'twelve']",
            "question_type": "multiple-choice" if n % 3 else "open",
        }
        for n in range(SIZE)
    ]
    answers = {t["id"]: f"({t['answer']})" if i % 3 else "It is 12.50" for i, t in enumerate(truth)}
    return Files(rows(folder / "val.jsonl", truth), dump(folder / "answers.json", answers))


def realworldqa(folder: Path) -> Files:
    lines = [
        "index\tquestion\tA\tB\tanswer\timage",
        *(f"{n}\tWhich?\tred\tgreen\t{LETTERS[n % 2]}\t{picture(n)}" for n in range(SIZE)),
    ]
    (folder / "RealWorldQA.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    answers = [{"index": n, "prediction": f"{LETTERS[n % 2]}."} for n in range(SIZE)]
    return Files(folder / "RealWorldQA.tsv", rows(folder / "answers.jsonl", answers))


def cvbench(folder: Path) -> Files:
    truth = [
        {
            "idx": n,
            "type": "3D" if n % 3 == 0 else "2D",
            "task": "Count",
            "source": ("Omni3D", "ADE20K", "COCO")[n % 3],
            "question": "How many?",
            "choices": ["1", "2", "3"],
            "answer": f"({LETTERS[n % 3]})",
            "filename": f"img/{n}.png",
        }
        for n in range(SIZE)
    ]
    answers = [{"idx": n, "answer": f"({LETTERS[n % 3]})"} for n in range(SIZE)]
    return Files(
        rows(folder / "test.jsonl", truth),
        rows(folder / "answers.jsonl", answers),
        perfect={"cv_bench": 1.0, "accuracy_2d": 1.0, "accuracy_3d": 1.0},
    )
