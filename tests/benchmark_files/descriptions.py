"""Benchmarks of descriptions, which are held against the objects and captions of COCO."""

from __future__ import annotations

import json
from pathlib import Path

from tests.benchmark_files.files import SIZE, Files, dump, picture, rows


def _coco(folder: Path) -> Path:
    names = ("dog", "cat", "car", "bed")
    images = [{"id": n, "file_name": f"COCO_val2014_{n:012d}.jpg"} for n in range(SIZE)]
    categories = [{"id": i, "name": name} for i, name in enumerate(names)]
    instances = [{"id": n, "image_id": n, "category_id": n % 4} for n in range(SIZE)]
    captions = [
        {"id": 3 * n + i, "image_id": n, "caption": f"A {names[n % 4]} {verb} in picture number {n}."}
        for n in range(SIZE)
        for i, verb in enumerate(("sits", "stands", "lies"))
    ]
    dump(
        folder / "instances_val2014.json",
        {"images": images, "categories": categories, "annotations": instances},
    )
    dump(folder / "captions_val2014.json", {"images": images, "annotations": captions})
    return folder


def chair(folder: Path) -> Files:
    names = ("dog", "cat", "car", "bed")
    truth = _coco(folder / "coco") if (folder / "coco").mkdir() is None else folder
    answers = {
        "overall": {"CIDEr": 1.0},
        "imgToEval": {str(n): {"image_id": n, "caption": f"A {names[n % 4]}."} for n in range(SIZE)},
    }
    return Files(truth, dump(folder / "answers.json", answers), perfect={"chair_s": 0.0, "recall": 1.0})


def captions(folder: Path) -> Files:
    made = chair(folder)
    return Files(made.annotations, made.answers, perfect={"object_precision": 1.0})


def coco_captions(folder: Path) -> Files:
    _coco(folder)
    truth = folder / "captions_val2014.json"
    said = {row["image_id"]: row["caption"] for row in json.loads(truth.read_text())["annotations"]}
    answers = [{"image_id": n, "caption": text} for n, text in said.items()]
    return Files(truth, dump(folder / "answers.json", answers), perfect={"bleu_4": 1.0, "rouge_l": 1.0})


def object_halbench(folder: Path) -> Files:
    names = ("dog", "cat", "car", "bed")
    (folder / "coco").mkdir()
    truth = _coco(folder / "coco")
    questions = [
        {"image_id": n, "question": "Describe it in detail.", "image": picture(n)} for n in range(SIZE)
    ]
    answers = [
        {"image_id": n, "question": "Describe it in detail.", "answer": f"There is a {names[n % 4]} here."}
        for n in range(SIZE)
    ]
    return Files(
        rows(folder / "obj_halbench_300_with_image.jsonl", questions),
        rows(folder / "answers.jsonl", answers),
        settings=f"truth={truth}",
        perfect={"chair_s": 0.0, "chair_i": 0.0, "recall": 1.0, "extracted_by_model": 0.0},
    )
