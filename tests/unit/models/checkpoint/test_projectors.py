"""A checkpoint rebuilds its projector with its settings, and a later stage cannot change them unnoticed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from mmtune.errors import UserError
from mmtune.images.geometry import Grid
from mmtune.models import checkpoint
from mmtune.models.building import build
from mmtune.models.config import ModelConfig, ProjectorConfig
from mmtune.models.projectors import Text
from tests.tiny_projectors import NAMES, READERS, tiny_projector
from tests.unit.models.rows import make_config


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_projector_comes_back(backbones: dict[str, str], tmp_path: Path, name: str) -> None:
    before = build(make_config(backbones, projector=tiny_projector(name)), template="plain", seed=3)
    folder = checkpoint.save(tmp_path / "saved", before)
    after = checkpoint.load(folder)
    assert after.config.projector == before.config.projector
    assert after.policy.tokens == before.policy.tokens
    features, grid = torch.randn(2, 16, before.model.vision.width), Grid(4, 4)
    text = Text(torch.randn(2, 3, 64), torch.ones(2, 3, dtype=torch.bool)) if name in READERS else None
    with torch.no_grad():
        one, other = (bundle.model.projector(features, grid, text) for bundle in (before, after))
    assert torch.equal(one, other)


def test_a_depth_that_an_older_checkpoint_has_for_every_projector_means_nothing(
    backbones: dict[str, str], tmp_path: Path
) -> None:
    before = build(make_config(backbones, projector=tiny_projector("resampler")), template="plain")
    file = checkpoint.save(tmp_path / "saved", before) / "mmtune.json"
    content = json.loads(file.read_text())
    assert content["model"]["projector"].pop("depth") is None
    content["model"]["projector"]["depth"] = 2
    file.write_text(json.dumps(content))
    assert checkpoint.load(file.parent).config.projector == before.config.projector


def test_a_later_stage_may_repeat_the_settings_but_not_change_them(
    backbones: dict[str, str], tmp_path: Path
) -> None:
    first = build(
        make_config(backbones, projector=ProjectorConfig("resampler", settings={"queries": 5})),
        template="plain",
    )
    folder = str(checkpoint.save(tmp_path / "saved", first))

    def later(**settings: int) -> ModelConfig:
        return ModelConfig(projector=ProjectorConfig("resampler", settings=settings), checkpoint=folder)

    build(later(queries=5, layers=6), template="plain")  # 6 is the default
    with pytest.raises(UserError, match=r"model\.projector\.settings"):
        build(later(queries=6), template="plain")
    with pytest.raises(UserError, match=r"model\.projector\.name"):
        build(ModelConfig(projector=ProjectorConfig("mlp2x_gelu"), checkpoint=folder), template="plain")
