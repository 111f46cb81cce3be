"""A benchmark of plain coloured photographs in every official format, and an engine that sees colours."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from eval.tasks import TaskConfig
from mmtune.decode.options import Ranking
from mmtune.decode.requests import Completion, Request, Settings
from mmtune.errors import UserError

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 60, 220), "white": (250, 250, 250)}
NAMES = tuple(COLOURS)


@dataclass
class World:
    """Official files about images that each show one colour."""

    root: Path
    images: int
    configs: dict[str, TaskConfig] = field(default_factory=dict)

    def colour(self, image: int) -> str:
        return NAMES[image % len(NAMES)]

    def file(self, image: int) -> str:
        return f"COCO_val2014_{image:012d}.png"

    def write(self, name: str, value: Any) -> Path:
        path = self.root / name
        path.write_text(json.dumps(value), encoding="utf-8")
        return path


def write_world(root: Path, images: int = 12) -> World:
    """Images, a POPE split, VQAv2 questions and annotations, COCO instances and captions."""
    world = World(root, images)
    (root / "images").mkdir(parents=True)
    for image in range(1, images + 1):
        Image.new("RGB", (24, 24), COLOURS[world.colour(image)]).save(root / "images" / world.file(image))
    _write_pope(world)
    _write_vqa(world)
    _write_coco(world)
    return world


def _write_pope(world: World) -> None:
    rows = []
    for image in range(1, world.images + 1):
        for number, colour in enumerate((world.colour(image), world.colour(image + 1))):
            rows.append(
                {
                    "question_id": 2 * image + number,
                    "image": world.file(image),
                    "text": f"Is there a {colour} in the image?",
                    "label": "no" if number else "yes",
                }
            )
    path = world.root / "coco_pope_random.json"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    world.configs["pope"] = TaskConfig("pope", str(path), str(world.root / "images"), prompt="bare")


def _write_vqa(world: World) -> None:
    questions, annotations = [], []
    for image in range(1, world.images + 1):
        answers = [
            {"answer": world.colour(image), "answer_confidence": "yes", "answer_id": i} for i in range(1, 11)
        ]
        questions.append({"image_id": image, "question": "What colour is it?", "question_id": 100 + image})
        annotations.append(
            {
                "question_id": 100 + image,
                "image_id": image,
                "question_type": "what colour" if image % 2 else "which",
                "answer_type": "other",
                "multiple_choice_answer": world.colour(image),
                "answers": answers,
            }
        )
    asked = world.write("questions.json", {"data_subtype": "val2014", "questions": questions})
    # Annotations in another order: they belong to their questions by id.
    truth = world.write("annotations.json", {"annotations": annotations[::-1]})
    world.configs["vqav2"] = TaskConfig(
        "vqav2", str(truth), str(world.root / "images"), questions=str(asked), prompt="bare"
    )


def _write_coco(world: World) -> None:
    images = [{"id": i, "file_name": world.file(i)} for i in range(1, world.images + 1)]
    categories = [{"id": number, "name": name} for number, name in enumerate(NAMES, start=1)]
    instances = [
        {"id": i, "image_id": i, "category_id": 1 + NAMES.index(world.colour(i))}
        for i in range(1, world.images + 1)
    ]
    captions = [
        {"id": i, "image_id": i, "caption": f"It is {world.colour(i)}."} for i in range(1, world.images + 1)
    ]
    folder = world.root / "coco"
    folder.mkdir()
    world.write(
        "coco/instances_val.json", {"images": images, "categories": categories, "annotations": instances}
    )
    world.write("coco/captions_val.json", {"images": images, "annotations": captions})
    for task in ("chair", "captions"):
        world.configs[task] = TaskConfig(task, str(folder), str(world.root / "images"))


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Twelve images in every official format."""
    return write_world(tmp_path / "world")


class SeeingEngine:
    """Answers from the pixels of the image that it is shown, so that a wrong image gives a wrong answer."""

    def __init__(self, weights: str = "first") -> None:
        self.weights = weights
        self.opened: list[Any] = []
        self.asked: list[tuple[Any, str]] = []

    def identity(self) -> dict[str, str]:
        return {"weights": self.weights}

    def answers(
        self,
        requests: Sequence[Request],
        settings: Settings,
        *,
        batch_size: int,
        failures: dict[int, UserError],
    ) -> Iterator[tuple[int, Completion]]:
        seen: dict[Any, str] = {}
        for index, request in enumerate(requests):
            assert request.keys is not None
            key = request.keys[0] if request.keys else None
            try:
                colour = "no" if key is None else seen.get(key) or self._look(request)
            except UserError as error:
                failures[index] = error
                yield index, Completion("", (), "failed")
                continue
            seen[key] = colour
            text = request.turns[-1].text.removeprefix("<image>\n")
            self.asked.append((key, text))
            yield index, Completion(self._reply(text, colour), (1,), "stop")

    def next_tokens(
        self,
        requests: Sequence[Request],
        options: Sequence[Sequence[str]],
        *,
        batch_size: int,
        failures: dict[int, UserError],
    ) -> Iterator[tuple[int, Ranking | None]]:
        for index, completion in self.answers(requests, Settings(), batch_size=1, failures=failures):
            said = completion.text.strip(".")
            scores = tuple(0.0 if option == said else -3.0 for option in options[index])
            yield index, None if completion.stopped == "failed" else Ranking(scores, (1,) * len(scores))

    def _look(self, request: Request) -> str:
        self.opened.append(request.keys[0])
        source = request.images[0]
        image = source if isinstance(source, Image.Image) else source()
        pixel = image.getpixel((3, 3))
        return min(
            COLOURS, key=lambda name: sum(abs(a - b) for a, b in zip(COLOURS[name], pixel, strict=True))
        )

    def _reply(self, text: str, colour: str) -> str:
        if text.startswith("Is there"):
            return "Yes." if f" {colour} " in text else "No."
        return f"It is {colour}." if text.startswith("Describe") else colour.capitalize()


@pytest.fixture
def seeing() -> SeeingEngine:
    """An engine that is always right about the image it is shown."""
    return SeeingEngine()
