"""Tiny random models of each real language model class, as bundles and engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmtune.decode.engine import Engine, Request
from mmtune.records import Turn
from tests import tiny_models

TEMPLATE = {"llama": "vicuna_v1", "qwen2": "qwen", "qwen3": "qwen"}


@pytest.fixture(scope="session")
def make_bundle(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """``make_bundle(language, vision="clip", template=None, **language settings)``."""
    from mmtune.models.building import build
    from mmtune.models.config import LanguageConfig, ModelConfig, ProjectorConfig, VisionConfig

    root: Path = tmp_path_factory.mktemp("models")

    def make(language: str, vision: str = "clip", template: str | None = None, **settings: Any) -> Any:
        count = len(list(root.iterdir()))
        language_folder = tiny_models.LANGUAGE_MODELS[language](root / f"l{count}", **settings)
        vision_folder = tiny_models.VISION_MODELS[vision](root / f"v{count}")
        config = ModelConfig(
            vision=VisionConfig(name=str(vision_folder)),
            projector=ProjectorConfig(name="mlp"),
            language=LanguageConfig(name=str(language_folder)),
        )
        bundle = build(config, template=template or TEMPLATE[language], seed=0)
        bundle.model.eval()
        return bundle

    return make


@pytest.fixture(scope="session", params=["llama", "qwen2", "qwen3"])
def engine(request: pytest.FixtureRequest, make_bundle: Any) -> Engine:
    """An engine for each language model class."""
    return Engine(make_bundle(request.param, vision="siglip" if request.param == "qwen3" else "clip"))


@pytest.fixture(scope="session")
def llama(make_bundle: Any) -> Engine:
    """One engine, where the language model's class does not matter."""
    return Engine(make_bundle("llama"))


def photo(seed: int, width: int = 40, height: int = 30) -> Image.Image:
    """A noisy image, different for each seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def ask(text: str, *images: Any, **settings: Any) -> Request:
    """A request of one user turn with its images in front."""
    return Request(images, (Turn("user", "<image>\n" * len(images) + text),), **settings)


@pytest.fixture(scope="session")
def questions() -> list[Request]:
    """Questions of different lengths: six about one photo, some about others, two photos, none at all."""
    first, second, third = photo(1), photo(2), photo(3, 20, 60)
    return [
        ask("Is there a red circle?", first),
        ask("How many blue squares are there in the image?", first),
        ask("What colour is the triangle to the left of the yellow star?", first),
        ask("Describe the image in a short sentence.", second),
        ask("Yes or no?", first),
        ask("Compare the two.", first, second),
        ask("Hello!"),
        ask("Is there a cup?", third),
        Request(
            [third],
            (
                Turn("user", "What is this?\n<image>"),
                Turn("assistant", "A cup."),
                Turn("user", "Which colour has it?"),
            ),
        ),
        ask("Is there a star?", third),
        ask("What does the word on the photo read? ☃ é", second),
        ask("Is it 7?", first),
    ]
