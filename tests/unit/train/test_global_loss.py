"""One step is one step, however many ranks and rows it is cut into."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mmtune.data.loader import Step, train_loader
from mmtune.data.prepare import RecordEncoder
from mmtune.data.splits import open_splits
from mmtune.models.bundle import Bundle
from mmtune.templates import get_template
from mmtune.train import stages
from mmtune.train.objectives import get_objective
from mmtune.train.settings import Recipe


def rank_steps(recipe: Recipe, bundle: Bundle, world: int, row_tokens: int) -> list[Step]:
    """The first step of every rank."""
    data = recipe.data.__class__(**{**recipe.data.__dict__, "max_tokens": row_tokens})
    encoder = RecordEncoder(
        bundle.tokenizer, get_template(recipe.template, bundle.tokenizer), bundle.policy, row_tokens
    )
    train, _ = open_splits(data)
    found = []
    for rank in range(world):
        loader = train_loader(data, train, encoder, batch_records=8, seed=0, steps=1, rank=rank, world=world)
        found += list(loader)
    return found


def loss_and_gradient(bundle: Bundle, steps: list[Step]) -> tuple[float, torch.Tensor]:
    """What the loop computes: rows summed, divided by the supervised tokens of all ranks."""
    model, objective = bundle.model, get_objective("sft")
    supervised = sum(batch.supervised for step in steps for batch in step.batches)
    model.zero_grad()
    total = 0.0
    for step in steps:
        for batch in step.batches:
            loss = objective(model, batch) / supervised
            loss.backward()
            total += loss.item()
    return total, torch.cat([p.grad.flatten() for p in model.parameters() if p.requires_grad])


@pytest.fixture
def learning(recipe: Recipe, bundle: Bundle) -> Bundle:
    stages.apply(bundle.model, recipe.stage)
    return bundle


def test_ranks_and_rows_do_not_change_loss_and_gradient(recipe: Recipe, learning: Bundle) -> None:
    reference = rank_steps(recipe, learning, world=1, row_tokens=1024)
    assert [len(step.batches) for step in reference] == [1]
    loss, gradient = loss_and_gradient(learning, reference)
    for world, row_tokens in ((1, 256), (2, 256), (4, 256), (2, 1024)):
        steps = rank_steps(recipe, learning, world, row_tokens)
        assert len(steps) == world
        assert len({len(step.batches) for step in steps}) == 1
        assert sum(len(step.batches) for step in steps) > 1
        other_loss, other_gradient = loss_and_gradient(learning, steps)
        assert other_loss == pytest.approx(loss, abs=1e-5)
        torch.testing.assert_close(other_gradient, gradient, atol=1e-5, rtol=1e-4)


def test_a_mean_of_rows_would_be_another_loss(recipe: Recipe, learning: Bundle) -> None:
    """The test above can fail: rows have different numbers of supervised tokens."""
    (step,) = rank_steps(recipe, learning, world=1, row_tokens=256)
    loss, _ = loss_and_gradient(learning, [step])
    objective = get_objective("sft")
    with torch.no_grad():
        means = [objective(learning.model, batch) / batch.supervised for batch in step.batches]
    assert abs(float(sum(means)) / len(means) - loss) > 1e-3


def test_quarantine_is_left_alone(tmp_path: Path, recipe: Recipe, learning: Bundle) -> None:
    rank_steps(recipe, learning, world=2, row_tokens=256)
    assert not list(tmp_path.rglob("quarantine.jsonl"))
