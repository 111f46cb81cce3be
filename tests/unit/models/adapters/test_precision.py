"""Adapters in float32 beside a language model in bfloat16: without autocast, as decoding runs them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from mmtune.models import checkpoint
from mmtune.models.adapters import attach, make_adapter, naming
from mmtune.models.adapters.routing import Router
from mmtune.models.building import build
from tests.unit.models.adapters.models import freeze_all_but_adapters, logits, stir_adapters
from tests.unit.models.rows import make_config

KINDS: dict[str, dict[str, Any]] = {
    "lora": {"rank": 4, "alpha": 8},
    "mole": {"rank": 4, "alpha": 8, "experts": 3},
    "language_expert": {"width": 4, "guidance": 3},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_adapter_keeps_its_type_and_answers(
    backbones: dict[str, str], tmp_path: Path, kind: str
) -> None:
    bundle = build(make_config(backbones, dtype="bfloat16"), template="plain")
    attach(bundle.model, make_adapter("language", kind, KINDS[kind]))
    for parameter in naming.adapter_parameters(bundle.model.language):
        parameter.data = parameter.data.float()  # as masters are
    stir_adapters(bundle)
    freeze_all_but_adapters(bundle, ["language"])
    again = checkpoint.load(checkpoint.save(tmp_path / "saved", bundle))
    assert {p.dtype for p in naming.own_parameters(again.model.language)} == {torch.bfloat16}
    before, after = (naming.adapter_state(one.model.language) for one in (bundle, again))
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert torch.equal(logits(bundle), logits(again)) and logits(again).isfinite().all()


def test_experts_are_chosen_alike_with_autocast_and_without() -> None:
    router = Router(16, 4, bias=False)
    tokens = torch.randn(50, 16, generator=torch.Generator().manual_seed(0)).bfloat16()
    plain = router(tokens)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = router(tokens)
    assert plain.dtype == mixed.dtype == torch.float32 and torch.equal(plain, mixed)
