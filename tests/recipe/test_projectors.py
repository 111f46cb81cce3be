"""Every projector carries 32 scenes of miniworld into a language model that learns to tell what is in each."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from data_builders.miniworld import World
from data_builders.miniworld.backbones import BACKBONES
from data_builders.miniworld.captions import short_caption
from mmtune.batch import IGNORE, PackedBatch
from mmtune.data.prepare import RecordEncoder, Sample
from mmtune.data.rows import DecodedImage, Row, collate
from mmtune.images.geometry import Grid, ViewTokens
from mmtune.images.policies import get_policy
from mmtune.models.config import LanguageConfig, ProjectorConfig, VisionConfig
from mmtune.models.language import load_language, load_tokenizer
from mmtune.models.projectors import build_projector
from mmtune.models.vision import VisionTower, build_vision
from mmtune.models.vlm import VisionLanguageModel
from mmtune.records import ImageRef, Record, Turn
from mmtune.templates import get_template
from mmtune.train.objectives.sft import supervised_sum
from tests.tiny_models import tiny_llama
from tests.tiny_projectors import NAMES, READERS, tiny_projector

SCENES, STEPS, ENOUGH = 32, 240, 0.995
PATHS = tuple(ImageRef(f"{index}.png") for index in range(SCENES))


class Remembered(VisionTower):
    """The embedded tower, which is frozen: each row's features are computed once and then looked up."""

    def __init__(self, tower: VisionTower) -> None:
        torch.nn.Module.__init__(self)
        self.geometry, self.width, self.select = tower.geometry, tower.width, tower.select
        self.class_token, self.depth = tower.class_token, tower.depth
        self._tower = [tower]  # in a list, so that its weights are none of this module's
        self._seen: dict[bytes, Tensor] = {}

    def forward(self, pixels: Tensor) -> Tensor:
        key = hashlib.blake2b(pixels.numpy().tobytes()).digest()
        if key not in self._seen:
            with torch.no_grad():
                self._seen[key] = self._tower[0](pixels)
        return self._seen[key]

    def unused(self) -> list[Any]:
        return []

    def describe(self) -> dict[str, Any]:
        raise NotImplementedError

    hidden_state = blocks = enable_gradient_checkpointing = describe  # type: ignore[assignment]


@pytest.fixture(scope="module")
def tower() -> Remembered:
    return Remembered(build_vision(VisionConfig(f"open_clip:{BACKBONES / 'image_text'}")))


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return load_tokenizer(str(BACKBONES / "language"))


@pytest.fixture(scope="module")
def language_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small language model of random weights that speaks the embedded one's tokens."""
    folder = tmp_path_factory.mktemp("language")
    return tiny_llama(folder, tokenizer=BACKBONES / "language", initializer_range=0.05)


@pytest.fixture(scope="module")
def scenes() -> list[tuple[Image.Image, str]]:
    """Pictures and their captions, no two alike."""
    world, found, index = World(), dict[str, Image.Image](), 0
    while len(found) < SCENES:
        scene = world.scene(index)
        found.setdefault(short_caption(scene), Image.fromarray(world.render(scene)))
        index += 1
    return [(picture, caption) for caption, picture in found.items()]


class Lesson:
    """A projector between the tower and a small language model, and the row that they learn by heart."""

    def __init__(self, name: str, tower: Remembered, tokenizer: Any, language_folder: Path) -> None:
        language, _ = load_language(LanguageConfig(str(language_folder)))
        width = language.get_input_embeddings().embedding_dim
        projector = build_projector(tiny_projector(name), tower.width, width)
        self.policy = get_policy("square", tower.geometry, projector.out_tokens(tower.tokens))
        self.model = VisionLanguageModel(tower, projector, language, self.policy)
        template = get_template("plain", tokenizer)
        self.encoder = RecordEncoder(tokenizer, template, self.policy, 256, instructions=projector.reads_text)

    def row(self, records: Sequence[Record], pictures: Sequence[Image.Image]) -> PackedBatch:
        samples: list[Sample] = [self.encoder.encode(record, Path(".")) for record in records]
        images = [(DecodedImage(self.policy.views(p).numpy(), p.size),) for p in pictures]
        return collate(Row(tuple(samples), tuple(images)), self.policy)

    def learn(self, row: PackedBatch) -> float:
        """Train until the row is known or the steps are used up; the share of its tokens that are right."""
        optimizer = torch.optim.AdamW(self.model.parameters(), lr=4e-3, betas=(0.9, 0.98))
        for step in range(STEPS):
            rate = min(1.0, (step + 1) / 15)
            for group in optimizer.param_groups:
                group["lr"] = 4e-3 * rate
            loss = supervised_sum(self.model, row) / row.supervised
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            optimizer.step()
            if step % 10 == 9 and self.right(row) >= ENOUGH:
                break
        return self.right(row)

    @torch.no_grad()
    def right(self, row: PackedBatch) -> float:
        targets = row.targets[row.targets != IGNORE]
        return float((self.model(row).argmax(1) == targets).float().mean())


@pytest.mark.parametrize("name", NAMES)
def test_32_scenes_are_learned_by_heart(
    name: str, tower: Remembered, tokenizer: Any, language_folder: Path, scenes: list[tuple[Any, str]]
) -> None:
    lesson = Lesson(name, tower, tokenizer, language_folder)
    records = [
        Record(
            f"{index}", (Turn("user", "<image>\nWhat is there?"), Turn("assistant", caption)), (PATHS[index],)
        )
        for index, (_, caption) in enumerate(scenes)
    ]
    pictures = [picture for picture, _ in scenes]
    accuracy = lesson.learn(lesson.row(records, pictures))
    blind = lesson.right(lesson.row(records, pictures[1:] + pictures[:1]))
    assert accuracy >= 0.99
    assert blind < 0.9, "with another's picture the captions must not be known"


@pytest.mark.parametrize("name", READERS)
def test_what_is_asked_reaches_the_answer_through_the_projector_alone(
    name: str, tower: Remembered, tokenizer: Any, language_folder: Path, scenes: list[tuple[Any, str]]
) -> None:
    """The template leaves the question out, so that only the projector can have heard it."""
    asked = ("Which colours?", "What is there?", "How many?", "Where?")
    lesson = Lesson(name, tower, tokenizer, language_folder)
    captions, pictures = [caption for _, caption in scenes], [picture for picture, _ in scenes[:8]]

    def records(questions: Sequence[str]) -> list[Record]:
        return [
            Record(
                f"{place}",
                (Turn("user", f"<image>\n{questions[place % 4]}"), Turn("assistant", captions[place])),
                (PATHS[place // 4],),
            )
            for place in range(SCENES)
        ]

    shown = [picture for picture in pictures for _ in asked]
    accuracy = lesson.learn(lesson.row(records(asked), shown))
    deaf = lesson.right(lesson.row(records(asked[1:] + asked[:1]), shown))
    assert accuracy >= 0.99
    assert deaf < 0.9, "with another's question the answers must not be known"


@pytest.mark.parametrize("name", NAMES)
def test_published_sizes_keep_their_promise_of_tokens(name: str) -> None:
    """By the settings that a recipe gets which names none; some have 100 million weights."""
    projector = build_projector(ProjectorConfig(name), 24, 32)
    for grid in (Grid(2, 3), Grid(4, 4), Grid(1, 1)):
        out = projector(torch.randn(2, grid.cells, 24), grid)
        assert out.shape == (2, projector.out_tokens(ViewTokens(grid.cells, grid)).count, 32)
