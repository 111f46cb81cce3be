"""The mixture of LoRA experts: exact routing, no expert without gradient, a balance that packing does not change."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from mmtune.errors import UserError
from mmtune.models import adapters, checkpoint
from mmtune.models.adapters import routing
from mmtune.models.adapters.routing import Groups, RoutedLinear, RoutedMLP, grouped_linear, load_balance
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

SMALL = {"rank": 4, "alpha": 8, "experts": 3, "dropout": 0.0}


def by_hand(mlp: RoutedMLP, hidden: torch.Tensor) -> torch.Tensor:
    """A Llama MLP with one LoRA a token, token by token."""
    base, out = mlp.base_layer, []
    for token in hidden.reshape(-1, hidden.shape[-1]):
        probabilities = mlp.router(token).softmax(-1)
        expert = int(probabilities.argmax())
        through = probabilities[expert] / probabilities[expert].detach()

        def change(
            layer: RoutedLinear, x: torch.Tensor, e: int = expert, w: torch.Tensor = through
        ) -> torch.Tensor:
            return layer.base_layer(x) + layer.lora_b[e] @ (layer.lora_a[e] @ x) * w * layer.scale

        inner = base.act_fn(change(base.gate_proj, token)) * change(base.up_proj, token)
        out.append(change(base.down_proj, inner))
    return torch.stack(out).reshape(*hidden.shape[:-1], -1)


def routed(bundle) -> list[RoutedMLP]:
    return [module for module in bundle.model.modules() if isinstance(module, RoutedMLP)]


def test_each_token_goes_through_the_expert_with_the_highest_score(backbones):
    bundle = adapted(backbones, "mole", **SMALL)
    freeze_all_but_adapters(bundle, ["language"])
    mlp = routed(bundle)[0]
    hidden = torch.randn(2, 9, 64, generator=torch.Generator().manual_seed(3))
    expected = by_hand(mlp, hidden)
    expected.square().sum().backward()
    wanted = {name: p.grad.clone() for name, p in mlp.named_parameters() if p.requires_grad}
    mlp.zero_grad()
    found = mlp(hidden)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    found.square().sum().backward()
    assert len(wanted) == 7 and wanted["router.weight"].abs().max() > 0
    for name, parameter in mlp.named_parameters():
        if parameter.requires_grad:
            torch.testing.assert_close(parameter.grad, wanted[name], atol=1e-3, rtol=1e-3, msg=name)
    assert len(set(mlp.router(hidden.reshape(-1, 64)).argmax(-1).tolist())) > 1


def test_checkpointing_leaves_no_graph_behind(backbones):
    """A repeated forward pass that is remembered keeps the activations of every block."""
    bundle = adapted(backbones, "mole", **SMALL)
    freeze_all_but_adapters(bundle, ["language"])
    bundle.model.enable_gradient_checkpointing()
    logits = bundle.model(MIXED)
    balance = load_balance(routed(bundle), MIXED, 0.01)
    (logits.square().sum() + balance).backward()
    assert balance > 0 and all(layer.router.weight.grad is not None for layer in routed(bundle))
    assert [layer.record for layer in routed(bundle)] == [None, None]
    assert [layer.switch.groups for layer in routed(bundle)] == [None, None]


def test_fresh_experts_change_nothing_and_cannot_be_merged(backbones):
    bundle = adapted(backbones, "mole", stir=False, **SMALL)
    torch.testing.assert_close(
        logits(bundle), logits(build(make_config(backbones), template="plain")), atol=1e-5, rtol=0
    )
    with pytest.raises(UserError, match="cannot be merged"):
        adapters.merge(bundle.model)


@pytest.mark.parametrize("language", ["llama", "qwen2", "gemma"])
@pytest.mark.parametrize("row", ROWS)
def test_every_expert_gets_a_gradient_with_tokens_or_without(backbones, language, row):
    bundle = adapted(backbones, "mole", language=language, **{**SMALL, "experts": 5})
    freeze_all_but_adapters(bundle, ["language"])
    found = gradients(bundle, ROWS[row])
    assert any("router" in name for name in found) and any("self_attn" in name for name in found)
    assert [name for name, gradient in found.items() if gradient is None] == []
    if row == "empty":
        assert all(gradient.abs().max() == 0 for gradient in found.values())


def test_packing_changes_nothing(backbones):
    bundle = adapted(backbones, "mole", **SMALL)
    alone = torch.cat([logits(bundle, one) for one in split_row(MIXED)])
    torch.testing.assert_close(logits(bundle), alone, atol=1e-4, rtol=1e-4)


def test_both_ways_of_grouping_agree(monkeypatch):
    if not hasattr(F, "grouped_mm"):
        pytest.skip("this torch has no grouped_mm")
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randn(20, 16, generator=generator)
    weights = torch.randn(4, 8, 16, generator=generator)
    groups = Groups(torch.tensor([7, 0, 3, 10]), torch.ones(20, 1))
    expected = torch.cat([tokens[:7] @ weights[0].T, tokens[7:10] @ weights[2].T, tokens[10:] @ weights[3].T])
    torch.testing.assert_close(grouped_linear(tokens, weights, groups), expected)
    monkeypatch.setattr(routing, "_one_kernel", lambda *_: True)
    torch.testing.assert_close(grouped_linear(tokens, weights, groups), expected)


def balance_of(bundle, row) -> torch.Tensor:
    bundle.model(row)
    return bundle.model.adapters["language"].auxiliary(bundle.model.language)(row)


def test_balance_is_the_formula_document_by_document(backbones):
    bundle = adapted(backbones, "mole", balance=0.5, **SMALL)
    freeze_all_but_adapters(bundle, ["language"])
    bundle.model(MIXED)
    records = [layer.record for layer in routed(bundle)]
    expected, start = 0.0, 0
    for length in MIXED.document_lengths:
        span = slice(start, start + length)
        supervised = int((MIXED.targets[span] != -100).sum())
        uneven = [
            3 * sum(float((c[span] == e).float().mean() * p[span, e].detach().mean()) for e in range(3))
            for p, c in records
        ]
        expected += supervised * sum(uneven) / len(uneven)
        start += length
    found = load_balance(routed(bundle), MIXED, 0.5)
    assert float(found) == pytest.approx(0.5 * expected, rel=1e-5)
    assert float(found) >= 0.5 * MIXED.supervised * 0.99  # 1 a token where experts are used alike, else more
    found.backward()
    assert all(layer.router.weight.grad.abs().max() > 0 for layer in routed(bundle))
    assert all(layer.record is None for layer in routed(bundle))


def test_balance_does_not_depend_on_packing(backbones):
    bundle = adapted(backbones, "mole", **SMALL)
    freeze_all_but_adapters(bundle, ["language"])
    alone = sum(balance_of(bundle, one) for one in split_row(MIXED))
    torch.testing.assert_close(balance_of(bundle, MIXED), alone, atol=1e-5, rtol=1e-4)
    bundle.model.eval()
    assert balance_of(bundle, MIXED) == 0


def test_no_balance_is_asked_of_one_expert(backbones):
    bundle = adapted(backbones, "mole", **{**SMALL, "experts": 1})
    assert bundle.model.adapters["language"].auxiliary(bundle.model.language) is None


@pytest.mark.parametrize("attention", [False, True])
def test_a_checkpoint_brings_it_back(backbones, tmp_path, attention):
    bundle = adapted(backbones, "mole", attention=attention, **SMALL)
    folder = checkpoint.save(tmp_path / "saved", bundle)
    again = checkpoint.load(folder)
    assert any("self_attn" in name for name in again.model.state_of("adapters")) is attention
    torch.testing.assert_close(logits(again), logits(bundle), atol=0, rtol=0)
    manifest = checkpoint.read_manifest(folder)
    assert manifest["format"] == 2 and manifest["adapters"]["language"]["kind"] == "mole"


def test_gradient_checkpointing_gives_the_same_gradients(backbones):
    bundle = adapted(backbones, "mole", **SMALL)
    freeze_all_but_adapters(bundle, ["language"])
    found = []
    for _ in range(2):
        bundle.model.zero_grad()
        loss = bundle.model(MIXED).square().sum() + balance_of(bundle, MIXED)
        loss.backward()
        found.append({n: p.grad.clone() for n, p in bundle.model.named_parameters() if p.requires_grad})
        bundle.model.enable_gradient_checkpointing()
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient, atol=1e-3, rtol=1e-3, msg=name)


def test_a_mixture_of_experts_is_not_made_one_again(tmp_path, backbones):
    from tests.unit.models.rows import save_other_language

    folder = save_other_language(
        tmp_path / "mixtral", "mixtral", num_local_experts=2, num_experts_per_tok=1, head_dim=8
    )
    with pytest.raises(UserError, match="mixture of experts already"):
        adapted({**backbones, "mixtral": str(folder)}, "mole", language="mixtral", **SMALL)
