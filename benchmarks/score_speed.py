"""What `mmtune score` takes for many VQA answers, start-up included: processor time of a fresh process.

python benchmarks/score_speed.py --answers 100000
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

WORDS = ("yes", "no", "2", "red", "blue", "dog", "cat", "on", "the table", "man", "frisbee", "none")
KINDS = [f"kind {number}" for number in range(65)]


def write(folder: Path, number: int) -> tuple[Path, Path]:
    """Annotations of ``number`` questions, five an image, and answers of which half are right."""
    draw = random.Random(0)

    def answer() -> str:
        return " ".join(draw.choice(WORDS) for _ in range(draw.choice((1, 1, 1, 2))))

    annotations, answers = [], []
    for question in range(number):
        base = answer()
        agreed = draw.random() < 0.3
        texts = [base if agreed or draw.random() < 0.6 else answer() for _ in range(10)]
        annotations.append(
            {
                "question_id": question,
                "image_id": question // 5,
                "question_type": draw.choice(KINDS),
                "answer_type": draw.choice(("yes/no", "number", "other")),
                "multiple_choice_answer": base,
                "answers": [
                    {"answer": text, "answer_confidence": "yes", "answer_id": place}
                    for place, text in enumerate(texts, start=1)
                ],
            }
        )
        answers.append({"question_id": question, "answer": base if draw.random() < 0.5 else answer()})
    draw.shuffle(answers)
    truth, said = folder / "annotations.json", folder / "answers.json"
    truth.write_text(json.dumps({"annotations": annotations}), encoding="utf-8")
    said.write_text(json.dumps(answers), encoding="utf-8")
    return truth, said


def main() -> None:
    """Write the files, score them, print the processor time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=100_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        truth, said = write(Path(folder), args.answers)
        words = ["score", "vqav2", "--predictions", str(said), "--annotations", str(truth), "--json"]
        done = subprocess.run(
            [sys.executable, "-m", "mmtune", *words], capture_output=True, text=True, check=True
        )
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        accuracy = json.loads(done.stdout)["metrics"]["accuracy"]
    print(f"{args.answers} answers in {used.ru_utime + used.ru_stime:.1f} s of processor time")
    print(f"accuracy {accuracy['value']:.4f} [{accuracy['low']:.4f}, {accuracy['high']:.4f}]")


if __name__ == "__main__":
    main()
