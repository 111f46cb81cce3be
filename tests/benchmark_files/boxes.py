"""Benchmarks that ask where something is."""

from __future__ import annotations

import pickle
from pathlib import Path

from tests.benchmark_files.files import SIZE, Files, dump, rows


def refcoco(folder: Path) -> Files:
    (folder / "refcoco").mkdir()
    refs = [
        {
            "ref_id": n,
            "ann_id": n,
            "image_id": n,
            "split": "val",
            "sentences": [{"sent_id": 2 * n + i, "sent": "left one", "raw": "Left one"} for i in (0, 1)],
        }
        for n in range(SIZE // 2)
    ]
    (folder / "refcoco" / "refs(unc).p").write_bytes(pickle.dumps(refs, protocol=0))
    images = [{"id": n, "file_name": f"{n}.jpg", "width": 200, "height": 100} for n in range(SIZE // 2)]
    boxes = [{"id": n, "image_id": n, "bbox": [20, 10, 100, 50]} for n in range(SIZE // 2)]
    dump(folder / "refcoco" / "instances.json", {"images": images, "annotations": boxes})
    answers = [{"sent_id": n, "answer": "[0.10, 0.10, 0.60, 0.60]"} for n in range(SIZE)]
    return Files(
        folder / "refcoco",
        rows(folder / "answers.jsonl", answers),
        perfect={"mean_iou": 1.0, "centre_inside": 1.0},
    )
