from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtune.train.schedule import lr_factor, warmup_steps
from mmtune.train.settings import OptimConfig


def test_cosine_with_warmup_by_hand() -> None:
    optim = OptimConfig(warmup_steps=2, schedule="cosine")
    factors = [lr_factor(step, 6, optim) for step in range(6)]
    assert factors == pytest.approx([0.5, 1.0, 1.0, 0.8535534, 0.5, 0.1464466])


def test_agrees_with_transformers_after_warmup() -> None:
    import torch
    from transformers import get_cosine_schedule_with_warmup

    optim = OptimConfig(warmup_ratio=0.03)
    total = 173
    warmup = warmup_steps(optim, total)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = get_cosine_schedule_with_warmup(optimizer, warmup, total)
    for step in range(total):
        if step >= warmup:
            assert lr_factor(step, total, optim) == pytest.approx(reference.get_last_lr()[0])
        optimizer.step()
        reference.step()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.integers(1, 400),
    st.floats(0, 1),
    st.floats(0, 1),
    st.sampled_from(["cosine", "linear", "constant"]),
)
def test_always_between_floor_and_peak(total: int, ratio: float, floor: float, shape: str) -> None:
    optim = OptimConfig(warmup_ratio=ratio, min_lr_ratio=floor, schedule=shape)  # type: ignore[arg-type]
    factors = [lr_factor(step, total, optim) for step in range(total)]
    assert all(0 < factor <= 1 or floor == 0 for factor in factors)
    warmup = warmup_steps(optim, total)
    assert factors[:warmup] == sorted(factors[:warmup])
    assert factors[warmup:] == sorted(factors[warmup:], reverse=True)
    assert all(factor >= floor - 1e-12 for factor in factors[warmup:])
