"""Copies of miniworld's pictures and questions as they turn up in the wild, and pictures that only look alike."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from data_builders.miniworld.world import World

QUESTIONS = (
    "How many {} shapes are there?",
    "What is written in the picture?",
    "Is there a {} star?",
    "What is to the left of the {} circle?",
)


def altered(picture: Image.Image, random: np.random.RandomState) -> Image.Image:
    """A crop of at least three quarters a side, a new size, a new encoding; or several of them."""
    kind = random.randint(3)
    if kind < 2:
        shares = random.uniform(0.75, 1, 2)
        width, height = (int(side * share) for side, share in zip(picture.size, shares, strict=True))
        left, top = random.randint(picture.width - width + 1), random.randint(picture.height - height + 1)
        picture = picture.crop((left, top, left + width, top + height))
    if kind != 1:
        scale = random.uniform(0.7, 1.6)
        picture = picture.resize((int(picture.width * scale), int(picture.height * scale)))
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=int(random.randint(40, 95)))
        picture = Image.open(buffer).convert("RGB")
    return picture


def said_otherwise(question: str, random: np.random.RandomState) -> str:
    """The same question in other case and punctuation."""
    kind = random.randint(4)
    if kind == 0:
        return question.upper()
    if kind == 1:
        return question.lower().rstrip("?") + " ?!"
    if kind == 2:
        return question.replace(" ", "  ") + "\nAnswer the question using a single word or phrase."
    return f"“{question}”"


@dataclass
class Planted:
    """A folder with a benchmark, rows to clean, and which of them leak."""

    root: Path
    rows: list[dict] = field(default_factory=list)
    items: list[tuple[str, str, str]] = field(default_factory=list)
    """id, image, question of each item of the benchmark."""
    leaks: set[int] = field(default_factory=set)
    """Rows that hold an item's image and its question."""

    @property
    def file(self) -> Path:
        return self.root / "rows.jsonl"


def recoloured(world: World, scene, random: np.random.RandomState) -> Image.Image:
    """The scene with one object in another colour: another picture, and another answer."""
    last = scene.objects[-1]
    shift = int(random.randint(90, 160))
    source = {**last.source, "rgb": [(channel + shift) % 256 for channel in last.source["rgb"]]}
    changed = replace(scene, objects=(*scene.objects[:-1], replace(last, source=source)))
    return Image.fromarray(world.render(changed))


def plant(root: Path, count: int, seed: int = 0) -> Planted:
    """Write a benchmark of ``count`` scenes and four times as many rows.

    A quarter of the rows leak an item. The others show the item's scene with one object recoloured and ask
    its question, show its picture and ask another question, or show another scene and ask its question.
    """
    random = np.random.RandomState(seed)
    (root / "images").mkdir(parents=True)
    planted = Planted(root)
    world, other = World(split="test", seed=seed), World(split="train", seed=seed + 1)

    def save(name: str, picture: Image.Image) -> str:
        picture.save(root / "images" / name)
        return f"images/{name}"

    def row(image: str, question: str) -> None:
        turns = [{"from": "human", "value": f"<image>\n{question}"}, {"from": "gpt", "value": "three"}]
        planted.rows.append({"id": f"r{len(planted.rows)}", "image": image, "conversations": turns})

    for index in range(count):
        scene = world.scene(index)
        picture = Image.fromarray(world.render(scene))
        question = QUESTIONS[index % len(QUESTIONS)].format(("red", "blue", "green")[index % 3])
        planted.items.append((f"i{index}", save(f"item{index}.png", picture), question))
        planted.leaks.add(len(planted.rows))
        row(save(f"leak{index}.png", altered(picture, random)), said_otherwise(question, random))
        row(save(f"near{index}.png", recoloured(world, scene, random)), question)
        row(save(f"asks{index}.png", altered(picture, random)), "Which colour is the ground?")
        stranger = Image.fromarray(other.render(other.scene(index)))
        row(save(f"other{index}.png", stranger), question)
    planted.file.write_text("".join(json.dumps(one) + "\n" for one in planted.rows))
    return planted
