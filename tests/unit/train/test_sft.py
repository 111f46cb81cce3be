from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from mmtune.train.objectives import sft


def test_sum_and_gradient_are_those_of_torch() -> None:
    generator = torch.Generator().manual_seed(0)
    count = sft.CHUNK + 37
    logits = torch.randn(count, 50, generator=generator) * 4
    targets = torch.randint(0, 50, (count,), generator=generator)
    expected_input = logits.clone().requires_grad_()
    expected = F.cross_entropy(expected_input, targets, reduction="sum")
    (expected * 0.25).backward()
    leaf = logits.clone().requires_grad_()
    loss = sft.cross_entropy_sum(leaf * 1.0, targets)
    (loss * 0.25).backward()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(leaf.grad, expected_input.grad)


def test_without_gradient_the_logits_stay() -> None:
    logits = torch.randn(5, 7)
    before = logits.clone()
    with torch.no_grad():
        sft.cross_entropy_sum(logits, torch.zeros(5, dtype=torch.int64))
    assert torch.equal(logits, before)


def test_logits_of_other_positions_are_refused() -> None:
    with pytest.raises(ValueError, match="6 rows of logits for 5 targets"):
        sft.cross_entropy_sum(torch.randn(6, 7), torch.zeros(5, dtype=torch.int64))


def test_nothing_supervised_gives_a_zero_that_can_be_differentiated() -> None:
    weight = torch.ones(3, 4, requires_grad=True)
    loss = sft.cross_entropy_sum(torch.zeros(0, 3) @ weight, torch.zeros(0, dtype=torch.int64))
    loss.backward()
    assert loss.item() == 0.0
    assert torch.equal(weight.grad, torch.zeros(3, 4))
