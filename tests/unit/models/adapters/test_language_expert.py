"""The guided expert: starts as nothing, depends on the past of its own document only."""

from __future__ import annotations

import pytest
import torch

from mmtune.errors import UserError
from mmtune.models import adapters, checkpoint
from mmtune.models.adapters.language_expert import GuidedMLP
from mmtune.models.building import build
from tests.unit.models.adapters.models import (
    MIXED,
    ROWS,
    adapted,
    freeze_all_but_adapters,
    gradients,
    logits,
)
from tests.unit.models.rows import make_config, split_row

SMALL = {"width": 4, "guidance": 3}


def test_a_fresh_expert_changes_nothing_and_cannot_be_merged(backbones):
    bundle = adapted(backbones, "language_expert", stir=False, **SMALL)
    torch.testing.assert_close(
        logits(bundle), logits(build(make_config(backbones), template="plain")), atol=1e-5, rtol=0
    )
    with pytest.raises(UserError, match="cannot be merged"):
        adapters.merge(bundle.model)


def test_the_guidance_changes_the_answer(backbones):
    bundle = adapted(backbones, "language_expert", **SMALL)
    before = logits(bundle)
    for module in bundle.model.modules():
        if isinstance(module, GuidedMLP):
            module.generate.weight.data.mul_(20)
    assert (logits(bundle) - before).abs().max() > 0.01


@pytest.mark.parametrize("row", ROWS)
def test_every_weight_gets_a_gradient(backbones, row):
    bundle = adapted(backbones, "language_expert", **SMALL)
    freeze_all_but_adapters(bundle, ["language"])
    found = gradients(bundle, ROWS[row])
    assert len(found) == 6
    assert [name for name, gradient in found.items() if gradient is None] == []


def test_documents_and_later_tokens_are_not_seen(backbones):
    bundle = adapted(backbones, "language_expert", **SMALL)
    alone = torch.cat([logits(bundle, one) for one in split_row(MIXED)])
    torch.testing.assert_close(logits(bundle), alone, atol=1e-4, rtol=1e-4)
    ids = torch.arange(3, 12)[None]
    with torch.no_grad():
        whole = bundle.model.language(input_ids=ids, use_cache=False).logits
        start = bundle.model.language(input_ids=ids[:, :5], use_cache=False).logits
    torch.testing.assert_close(whole[:, :5], start, atol=1e-4, rtol=1e-4)


def test_a_checkpoint_brings_it_back(backbones, tmp_path):
    bundle = adapted(backbones, "language_expert", tune_base=True, **SMALL)
    again = checkpoint.load(checkpoint.save(tmp_path / "saved", bundle))
    assert again.model.adapters["language"].tunes_base
    torch.testing.assert_close(logits(again), logits(bundle), atol=0, rtol=0)


def test_gradient_checkpointing_gives_the_same_gradients(backbones):
    bundle = adapted(backbones, "language_expert", **SMALL)
    freeze_all_but_adapters(bundle, ["language"])
    plain = gradients(bundle)
    bundle.model.enable_gradient_checkpointing()
    for name, gradient in gradients(bundle).items():
        torch.testing.assert_close(gradient, plain[name], atol=1e-3, rtol=1e-3, msg=name)


@pytest.mark.parametrize("first", [2, 7])
def test_an_expert_needs_a_block_before_it(backbones, first):
    with pytest.raises(UserError, match="no expert can start at block"):
        adapted(backbones, "language_expert", first=first, **SMALL)
