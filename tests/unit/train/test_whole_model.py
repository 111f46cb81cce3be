"""The copy that answers where an engine shards the weights says what the model itself says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from PIL import Image

from mmtune.decode.engine import Engine as Decoder
from mmtune.decode.requests import Request, Settings
from mmtune.errors import UserError
from mmtune.models.building import build
from mmtune.models.bundle import Bundle
from mmtune.models.config import LanguageConfig
from mmtune.records import Turn
from mmtune.train import stages
from mmtune.train.engines.single import Single
from mmtune.train.engines.topology import Topology
from mmtune.train.settings import EngineConfig, Recipe, StageConfig
from mmtune.train.whole_model import WholeModel
from tests.tiny_models import tiny_qwen2


class Sharding(Single):
    """One rank that has all weights and says that it has only a part of them."""

    sharded: ClassVar[bool] = True
    short = 0.0

    def sum(self, *values: float) -> list[float]:
        return [value + self.short for value in values]


def engine() -> Sharding:
    return Sharding(EngineConfig(precision="fp32"), Topology())


def answers(bundle: Bundle) -> list[tuple[int, ...]]:
    requests = [
        Request((Image.new("RGB", (20, 20), colour),), (Turn("user", "<image>\nWhat colour is it?"),))
        for colour in ("red", "green", "blue")
    ]
    return [found.ids for found in Decoder(bundle).generate(requests, Settings(max_new_tokens=8))]


def change(bundle: Bundle) -> None:
    """As training does, so that a copy of the old weights would be found out."""
    with torch.no_grad():
        for name, parameter in bundle.model.named_parameters():
            if parameter.requires_grad:
                noise = torch.Generator().manual_seed(len(name))
                parameter.add_(torch.randn(parameter.shape, generator=noise) * 0.1)


@pytest.mark.parametrize("how", ["full", "lora", "mole", "language_expert"])
def test_the_copy_has_the_weights_of_now(how: str, bundle: Bundle) -> None:
    stage = StageConfig(learn={"projector": "full", "language": how})
    stages.apply(bundle.model, stage)
    model = WholeModel(bundle, engine())
    before = answers(bundle)
    change(bundle)
    now = answers(bundle)
    with model.gathered() as copy:
        assert copy.model is not bundle.model and not copy.model.training
        assert answers(copy) == now != before
        assert all(not parameter.requires_grad for parameter in copy.model.parameters())
    change(bundle)
    with model.gathered() as copy:
        assert answers(copy) == answers(bundle) != now


def test_tied_weights_stay_tied(recipe: Recipe, tmp_path: Path) -> None:
    language = LanguageConfig(name=str(tiny_qwen2(tmp_path / "qwen")))
    bundle = build(replace(recipe.model, language=language), template="qwen", seed=0)
    with WholeModel(bundle, engine()).gathered() as copy:
        head, table = copy.model.language.lm_head.weight, copy.model.language.get_input_embeddings().weight
        assert head is table
        assert answers(copy) == answers(bundle)


def test_the_model_itself_answers_where_nothing_is_sharded(bundle: Bundle) -> None:
    with WholeModel(bundle, Single(EngineConfig(precision="fp32"), Topology())).gathered() as found:
        assert found is bundle


def test_ranks_without_room_are_told_before_any_weight_is_gathered(bundle: Bundle) -> None:
    full = engine()
    full.short = 3.0
    with pytest.raises(UserError, match="3 of 1 GPUs lack"), WholeModel(bundle, full).gathered():
        pass
