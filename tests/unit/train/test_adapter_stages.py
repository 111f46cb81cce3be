"""Stages with adapters: what learns, at which rate, in which group, and what the table says."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from mmtune.errors import UserError
from mmtune.models import checkpoint
from mmtune.models.adapters import naming
from mmtune.models.building import build
from mmtune.models.bundle import Bundle
from mmtune.train import checkpoints, stages
from mmtune.train.agreement import demand_whole_weights
from mmtune.train.dry_run import dry_run
from mmtune.train.objectives.auxiliary import Auxiliary
from mmtune.train.recipe import load_recipe
from mmtune.train.settings import OptimConfig, Recipe, StageConfig

SMALL = {"language": {"rank": 2, "alpha": 4}}
LORA = StageConfig(
    learn={"projector": "full", "language": "lora"}, adapters=SMALL, lr={"adapters": 2e-4, "projector": 1e-5}
)


def test_only_the_adapter_and_the_projector_learn(bundle: Bundle) -> None:
    stages.apply(bundle.model, LORA)
    learning = {name for name, p in bundle.model.named_parameters() if p.requires_grad}
    assert {name.split(".")[0] for name in learning} == {"projector", "language"}
    assert all("lora_" in name for name in learning if name.startswith("language"))
    assert not bundle.model.language.model.norm.training
    assert all(module.training for module in naming.adapter_modules(bundle.model.language))


def test_groups_call_them_adapters(bundle: Bundle) -> None:
    stages.apply(bundle.model, LORA)
    groups = stages.param_groups(bundle.model, LORA, OptimConfig(lr=1e-3, weight_decay=0.1))
    assert {group["part"]: group["lr"] for group in groups} == {"projector": 1e-5, "adapters": 2e-4}
    (added,) = [group for group in groups if group["part"] == "adapters"]
    assert {id(p) for p in added["params"]} == {
        id(p) for p in naming.adapter_parameters(bundle.model.language)
    }


def test_the_table_has_a_line_for_them(bundle: Bundle) -> None:
    before = sum(p.numel() for p in bundle.model.language.parameters())
    stages.apply(bundle.model, LORA)
    rows = stages.part_rows(bundle.model.parts(), LORA, OptimConfig(lr=1e-3))
    assert [row.part for row in rows] == ["vision", "projector", "language", "adapters"]
    language, added = rows[2:]
    assert (language.parameters, language.trainable, language.lr) == (before, 0, None)
    assert added.parameters == added.trainable > 0 and added.lr == 2e-4
    assert sum(row.parameters for row in rows) == sum(p.numel() for p in bundle.model.parameters())
    assert "lora on language" in stages.render(rows, "tune")


def test_both_parts_can_have_one(bundle: Bundle) -> None:
    stage = StageConfig(
        learn={"vision": "lora", "language": "mole"}, adapters={**SMALL, "vision": {"rank": 2}}
    )
    stages.apply(bundle.model, stage)
    assert {part: adapter.kind for part, adapter in bundle.model.adapters.items()} == stage.adapted()
    assert not any(p.requires_grad for p in bundle.model.vision.unused_parameters())
    assert len(Auxiliary(bundle.model, stage).terms) == 1


def test_the_base_of_a_language_expert_may_learn(bundle: Bundle) -> None:
    stage = StageConfig(
        learn={"language": "language_expert"},
        adapters={"language": {"tune_base": True}},
        lr={"language": 1e-5, "adapters": 1e-3},
    )
    stages.apply(bundle.model, stage)
    assert all(p.requires_grad for p in bundle.model.language.parameters())
    rates = {g["part"]: g["lr"] for g in stages.param_groups(bundle.model, stage, OptimConfig())}
    assert rates == {"language": 1e-5, "adapters": 1e-3}
    assert checkpoints.saved_parts(bundle, Recipe(bundle.config, None, stage=stage)) == [
        "projector",
        "language",
    ]  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_adapter_beside_any_randomness(recipe: Recipe) -> None:
    found = []
    for seed in (0, 0, 1):
        bundle = build(recipe.model, template=recipe.template, seed=0)
        torch.rand(3)
        stages.apply(bundle.model, LORA, seed=seed)
        found.append(bundle.model.state_of("adapters"))
    name = next(name for name in found[0] if "lora_A" in name)
    assert torch.equal(found[0][name], found[1][name])
    assert not torch.equal(found[0][name], found[2][name])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learn": {"language": "lroa"}}, "stage.learn.language must be one of frozen, full, lora"),
        ({"learn": {"projector": "lora"}}, "cannot be put on the projector part"),
        ({"learn": {"language": "lora"}, "adapters": {"language": {"rnak": 1}}}, "did you mean 'rank'"),
        ({"learn": {"language": "full"}, "adapters": SMALL}, "stage.learn.language is full"),
        ({"learn": {"language": "lora"}, "adapters": {"tower": {}}}, "names no part"),
        ({"learn": {"language": "lora"}, "lr": {"language": 1e-4}}, "its own is stage.lr.adapters"),
        ({"learn": {"projector": "full"}, "lr": {"adapters": 1e-4}}, "stage.learn freezes"),
    ],
)
def test_wrong_stages_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        StageConfig(**settings)


def test_what_to_do_with_an_adapter_of_the_stage_before(bundle: Bundle, recipe: Recipe, tmp_path) -> None:  # type: ignore[no-untyped-def]
    stages.apply(bundle.model, LORA)
    folder = checkpoint.save(tmp_path / "saved", bundle)
    config = replace(recipe.model, checkpoint=str(folder))
    again = build(config, template=recipe.template)
    stages.apply(again.model, replace(LORA, adapters={"language": {"rank": 2, "alpha": 4}}))  # goes on
    with pytest.raises(UserError, match="wants lora with rank 3, the checkpoint has lora with rank 2"):
        stages.apply(again.model, replace(LORA, adapters={"language": {"rank": 3, "alpha": 4}}))
    full = StageConfig(learn={"language": "full"})
    with pytest.raises(UserError, match="merge_adapters"):
        stages.apply(again.model, full)
    for meta in (False, True):
        merged = build(replace(config, merge_adapters=True), template=recipe.template, meta=meta)
        assert not merged.model.adapters and "language" not in merged.references
        stages.apply(merged.model, full)


def test_frozen_adapters_stay_frozen(bundle: Bundle) -> None:
    stages.apply(bundle.model, LORA)
    align = StageConfig(learn={"projector": "full"})
    stages.apply(bundle.model, align)
    assert not any(p.requires_grad for p in bundle.model.language.parameters())
    rows = stages.part_rows(bundle.model.parts(), align, OptimConfig())
    assert (rows[-1].part, rows[-1].learn, rows[-1].trainable) == ("adapters", "frozen", 0)


def test_a_recipe_sets_them_by_dotted_keys(tiny_project) -> None:  # type: ignore[no-untyped-def]
    recipe = load_recipe(
        tiny_project / "recipe.yaml",
        [
            "--stage.learn={language: lora}",
            "--stage.lr={}",
            "--stage.adapters.language.rank=2",
            "--stage.adapters.language.targets=[q_proj]",
        ],
    )
    assert recipe.stage.adapters == {"language": {"rank": 2, "targets": ["q_proj"]}}
    text = dry_run(recipe)
    assert "lora on language" in text


def test_engines_that_shard_are_refused_for_four_bits(bundle: Bundle) -> None:
    from types import SimpleNamespace

    from mmtune.models.adapters import make_adapter

    adapter = make_adapter("language", "lora", {"bits": 4})
    demand_whole_weights({"language": adapter}, SimpleNamespace(sharded=False, name="ddp"))  # type: ignore[arg-type]
    with pytest.raises(UserError, match="fsdp2 cannot cut into shards"):
        demand_whole_weights({"language": adapter}, SimpleNamespace(sharded=True, name="fsdp2"))  # type: ignore[arg-type]
