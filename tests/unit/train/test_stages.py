from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from mmtune.models.bundle import Bundle
from mmtune.train import stages
from mmtune.train.settings import OptimConfig, StageConfig

ALIGN = StageConfig(name="align", learn={"projector": "full"})
ALL = StageConfig(
    learn={"vision": "full", "projector": "full", "language": "full"}, lr={"projector": 1e-3, "vision": 2e-6}
)


def test_align_teaches_the_projector_alone(bundle: Bundle) -> None:
    stages.apply(bundle.model, ALIGN)
    learning = {name.split(".")[0] for name, p in bundle.model.named_parameters() if p.requires_grad}
    assert learning == {"projector"}
    assert bundle.model.projector.training
    assert not bundle.model.language.training


def test_layers_above_the_one_that_is_read_stay_frozen(bundle: Bundle) -> None:
    stages.apply(bundle.model, ALL)
    assert not any(p.requires_grad for p in bundle.model.vision.unused_parameters())
    assert any(p.requires_grad for p in bundle.model.vision.parameters())


def test_groups_are_named_by_part_and_spare_norms_and_biases(bundle: Bundle) -> None:
    stages.apply(bundle.model, ALL)
    groups = stages.param_groups(bundle.model, ALL, OptimConfig(lr=1e-5, weight_decay=0.1))
    assert {group["part"] for group in groups} == {"vision", "projector", "language"}
    for group in groups:
        assert group["lr"] == {"vision": 2e-6, "projector": 1e-3, "language": 1e-5}[group["part"]]
        assert group["weight_decay"] == (0.1 if group["params"][0].ndim >= 2 else 0.0)
        assert len({p.ndim >= 2 for p in group["params"]}) == 1
    grouped = [id(p) for group in groups for p in group["params"]]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {id(p) for p in bundle.model.parameters() if p.requires_grad}


def test_table_counts_every_parameter_once(bundle: Bundle) -> None:
    stages.apply(bundle.model, ALIGN)
    rows = {row.part: row for row in stages.part_rows(bundle.model.parts(), ALIGN, OptimConfig(lr=1e-3))}
    assert sum(row.parameters for row in rows.values()) == sum(p.numel() for p in bundle.model.parameters())
    assert rows["projector"].trainable == rows["projector"].parameters > 0
    assert (rows["vision"].trainable, rows["vision"].lr) == (0, None)
    text = stages.render(list(rows.values()), "align")
    projector = next(line for line in text.splitlines() if line.startswith("projector"))
    assert projector.split() == ["projector", f"{rows['projector'].parameters:,}"] + [
        f"{rows['projector'].trainable:,}",
        "full",
        "0.001",
    ]


def test_frozen_parts_are_held_in_the_type_of_the_arithmetic(bundle: Bundle) -> None:
    stages.apply(bundle.model, ALIGN)
    stages.set_dtypes(bundle.model.parts(), learns=torch.float32, frozen=torch.bfloat16)
    assert {p.dtype for p in bundle.model.projector.parameters()} == {torch.float32}
    assert {p.dtype for p in bundle.model.language.parameters()} == {torch.bfloat16}
    assert {b.dtype for b in bundle.model.language.buffers() if b.is_floating_point()} == {torch.float32}


def test_frozen_layers_are_recomputed_without_dropout(bundle: Bundle) -> None:
    bundle.model.enable_gradient_checkpointing()
    stages.apply(bundle.model, ALIGN)
    layers = [m for m in bundle.model.language.modules() if getattr(m, "gradient_checkpointing", False)]
    assert layers
    assert all(layer.training for layer in layers)
    attention = [m for m in bundle.model.language.modules() if type(m).__name__.endswith("Attention")]
    assert attention
    assert not any(module.training for module in attention)


def test_a_stage_is_data() -> None:
    changed = replace(ALIGN, learn={"language": "full"})
    assert changed.learn == {"vision": "frozen", "projector": "frozen", "language": "full"}
    with pytest.raises(Exception, match="nothing would learn"):
        StageConfig(learn={})
