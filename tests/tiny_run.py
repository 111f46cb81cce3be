"""A training run in small: real model classes, a few real image files, records with and without images."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from tests.tiny_models import tiny_clip, tiny_llama

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 60, 220)}


def write_records(folder: Path, count: int, *, text_only: Collection[int] = (), every_text: int = 3) -> Path:
    """Records about plain coloured images.

    Args:
        folder: gets ``records.json`` and the images.
        count: records.
        text_only: indices of records without image, beside each ``every_text``-th one.
        every_text: every how many records one has no image.
    """
    random = np.random.RandomState(0)
    rows: list[dict[str, Any]] = []
    for index in range(count):
        name = sorted(COLOURS)[random.randint(3)]
        text = index in text_only or index % every_text == 0
        question = "What colour is the image?" if not text else f"How many is {index}?"
        turns = [
            {"from": "human", "value": question if text else f"<image>\n{question}"},
            {"from": "gpt", "value": "one two three"[: 3 + index % 9] if text else f"The image is {name}."},
        ]
        row: dict[str, Any] = {"id": f"r{index}", "conversations": turns}
        if not text:
            row["image"] = f"{index}.png"
            pixels = np.asarray(COLOURS[name]) + random.randint(-20, 20, (40, 40, 3))
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / row["image"])
        rows.append(row)
    path = folder / "records.json"
    path.write_text(json.dumps(rows))
    return path


def write_pope(folder: Path, images: Path) -> str:
    """A POPE file about the images of ``write_records``, two questions each.

    Args:
        folder: gets the file.
        images: where the images are.

    Returns:
        The task as a recipe names it.
    """
    rows: list[dict[str, Any]] = []
    for image in sorted(images.glob("*.png")):
        for label, colour in (("yes", "red"), ("no", "green")):
            text = f"Is there a {colour} thing in the image?"
            rows.append({"question_id": len(rows), "image": image.name, "text": text, "label": label})
    path = folder / "pope_random.json"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return f"pope:annotations={path},images={images},prompt=bare,max_new_tokens=6"


def write_recipe(folder: Path, **changes: Any) -> Path:
    """Tiny models, records and a recipe over them; ``changes`` are dotted keys with ``__`` for the dot."""
    folder.mkdir(parents=True, exist_ok=True)
    clip = tiny_clip(folder / "clip", image_size=16, patch=8)
    llama = tiny_llama(folder / "llama", hidden_size=32, intermediate_size=48, initializer_range=0.05)
    write_records(folder, 24)
    recipe: dict[str, Any] = {
        "model": {"vision": {"name": str(clip)}, "language": {"name": str(llama)}},
        "template": "vicuna_v1",
        "data": {
            "train": [{"path": str(folder / "records.json")}],
            "max_tokens": 256,
            "quarantine_budget": 0.2,
        },
        "stage": {
            "name": "tune",
            "learn": {"projector": "full", "language": "full"},
            "lr": {"projector": 1e-3},
        },
        "optim": {"batch_records": 6, "steps": 4, "lr": 2e-3, "weight_decay": 0.01},
        "engine": {"precision": "fp32"},
        "validation": {"samples": 0},
        "out": str(folder / "out"),
        "tensorboard": False,
    }
    for dotted, value in changes.items():
        node = recipe
        *parents, last = dotted.split("__")
        for key in parents:
            node = node.setdefault(key, {})
        node[last] = value
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


def losses(out: Path) -> list[float]:
    """Training losses that a run has reported, by step."""
    rows = [
        json.loads(line) for line in (out / "scalars.jsonl").read_text().splitlines() if line.endswith("}")
    ]
    return [row["loss"] for row in sorted(rows, key=lambda row: row["step"]) if "loss" in row]
