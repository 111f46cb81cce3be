"""Tiny random backbones of every real class, and one model of them."""

from __future__ import annotations

import pytest
import transformers

from mmtune.models.building import build
from mmtune.models.bundle import Bundle
from tests.tiny_models import LANGUAGE_MODELS, VISION_MODELS, tiny_full_clip, tiny_open_clip
from tests.unit.models.rows import make_config, save_other_language

transformers.utils.logging.disable_progress_bar()


@pytest.fixture(scope="session")
def backbones(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Name that a recipe gives to every tiny backbone, by kind."""
    root = tmp_path_factory.mktemp("backbones")
    names = {kind: str(make(root / kind)) for kind, make in (LANGUAGE_MODELS | VISION_MODELS).items()}
    names |= {kind: str(save_other_language(root / kind, kind)) for kind in ("mistral", "gemma")}
    names["full_clip"] = str(tiny_full_clip(root / "full_clip"))
    names["open_clip"] = f"open_clip:{tiny_open_clip(root / 'open_clip')}"
    return names


@pytest.fixture(scope="session")
def bundle(backbones: dict[str, str]) -> Bundle:
    """CLIP and Llama; tests that change weights or what learns build their own."""
    return build(make_config(backbones), template="plain")
