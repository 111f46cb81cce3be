"""Models with adapters whose effect is not zero."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from mmtune.batch import PackedBatch
from mmtune.models.adapters import attach, make_adapter, naming
from mmtune.models.building import build
from mmtune.models.bundle import Bundle
from tests.unit.models.rows import IMAGE, SIDE, make_config, make_row

MIXED = make_row([[-5, IMAGE, -6, 7, 8, 9], [-9, 10, 11], [-12, 13, IMAGE, -14, 15]])
ROWS = {
    "mixed": MIXED,
    "text": make_row([[3, 4, 5]]),
    "mute": make_row([[-3, IMAGE, -4]]),
    "empty": PackedBatch.empty(3, SIDE),
}


def adapted(
    backbones: dict[str, str],
    kind: str,
    part: str = "language",
    *,
    tower: str = "clip",
    language: str = "llama",
    stir: bool = True,
    **settings: Any,
) -> Bundle:
    """A bundle with an adapter; ``stir`` draws its weights anew, so that it changes what the model says."""
    bundle = build(make_config(backbones, tower, language), template="plain")
    attach(bundle.model, make_adapter(part, kind, settings), seed=1)
    if stir:
        stir_adapters(bundle)
    return bundle


def stir_adapters(bundle: Bundle, seed: int = 0) -> None:
    """Random weights for all adapters, of about the size of a trained one's."""
    generator = torch.Generator().manual_seed(seed)
    for part in bundle.model.parts().values():
        for parameter in naming.adapter_parameters(part):
            if parameter.ndim > 1:
                parameter.data = 0.15 * torch.randn(parameter.shape, generator=generator)


def logits(bundle: Bundle, row: PackedBatch = MIXED) -> torch.Tensor:
    """What a model says in evaluation mode."""
    bundle.model.eval()
    with torch.no_grad():
        found: torch.Tensor = bundle.model(row)
    return found


def freeze_all_but_adapters(bundle: Bundle, parts: Sequence[str]) -> None:
    """As a stage with adapters on these parts does."""
    for part in bundle.model.parts():
        bundle.model.set_trainable(part, False)
        bundle.model.set_adapter_trainable(part, part in parts)
    bundle.model.train()


def gradients(bundle: Bundle, row: PackedBatch = MIXED) -> dict[str, torch.Tensor | None]:
    """Gradient of every parameter that learns, after one row."""
    bundle.model.zero_grad()
    bundle.model(row).square().sum().backward()
    return {name: p.grad for name, p in bundle.model.named_parameters() if p.requires_grad}
