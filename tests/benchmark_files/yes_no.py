"""Benchmarks whose questions are answered by yes or no."""

from __future__ import annotations

from pathlib import Path

from tests.benchmark_files.files import SIZE, Files, colour, rows


def pope(folder: Path) -> Files:
    truth = [
        {
            "question_id": n,
            "image": f"COCO_val2014_{n // 6:012d}.jpg",
            "text": f"Is there a {colour(n)} thing in the image?",
            "label": "no" if n % 2 else "yes",
        }
        for n in range(SIZE)
    ]
    answers = [
        {"question": t["text"], "answer": "No." if t["label"] == "no" else "Yes, there is."} for t in truth
    ]
    return Files(
        rows(folder / "coco_pope_random.json", truth),
        rows(folder / "answers.jsonl", answers),
        perfect={"accuracy": 1.0, "yes_ratio": 0.5},
    )


def mme(folder: Path) -> Files:
    from eval.metrics.yes_no import MME_COGNITION, MME_PERCEPTION

    (folder / "truth").mkdir()
    (folder / "answers").mkdir()
    for task in (*MME_PERCEPTION, *MME_COGNITION):
        lines = [
            (f"{n:04d}.jpg", f"Is it {colour(n + i)}? Please answer yes or no.", ("Yes", "No")[i])
            for n in range(2)
            for i in (0, 1)
        ]
        text = ["\t".join(line) for line in lines]
        (folder / "truth" / f"{task}.txt").write_text("".join(f"{line}\n" for line in text))
        said = [f"{line}\t{line.rsplit(chr(9), 1)[1]}\n" for line in text]
        (folder / "answers" / f"{task}.txt").write_text("".join(said))
    return Files(
        folder / "truth",
        folder / "answers",
        perfect={"accuracy_plus": 1.0, "perception": 2000.0, "cognition": 800.0, "score_OCR": 200.0},
        items=56,
    )
